// Package aws calls AWS services: it makes their requests of integrations, signs them, and reads the answers that it must.
//
// Rest APIs call one action of a service, or one path at it (integration type AWS), and make the request themselves, by mappings
// and templates. Http APIs name a subtype, as SQS-SendMessage, and give its parameters. Who sends is left to the caller (Sender): this
// package opens no connection.
//
// Why the signer is Amazon's: signing is small, but what services canonicalize is folklore, and the same code signs for everybody else. Of
// the fields that a request has, only those are signed that AWS asks for, since what stands between, as tracing, may add to others or change them.
package aws

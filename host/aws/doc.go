// Package aws calls AWS services: it makes their requests of integrations, signs them, and sends them to a configured endpoint.
package aws

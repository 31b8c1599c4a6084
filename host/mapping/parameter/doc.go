// Package parameter moves single values of a request into what is sent, and of a response into what is answered: the parameter mappings of rest and http APIs.
package parameter

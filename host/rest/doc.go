// Package rest has the semantics of rest APIs that are not those of http APIs: validation, conversions of content, the treatment of headers, the choice of integration responses, gateway responses and compression.
package rest

// Package openapi reads OpenAPI documents and CloudFormation templates as definitions, says what of them differs here, and writes definitions as documents.
package openapi

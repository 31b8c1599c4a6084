// Package schema validates the bodies of requests against models, which are JSON Schemas of draft 4, as REST APIs do before a request goes to
// its integration.
//
// Models may refer to each other by the URL that Amazon gives them, https://apigateway.amazonaws.com/restapis/ID/models/NAME, whatever the ID
// is: an API that was imported has another one than it had. They may refer to parts of themselves (#/definitions/x), also in circles.
// Nothing is ever loaded from a file or a host.
//
// # Why a budget
//
// A small model can ask for two looks at each level of a body, and so for 2^n in all. The library that validates has no limit of its own, so
// every schema that it enters is counted, by a format that each schema is given; when the count is over, the validation ends.
package schema

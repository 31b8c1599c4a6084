package definition

// amazonsWords has, for keys that API Gateway's API, CloudFormation and OpenAPI's extensions have and a definition calls otherwise, what to write
// here. Most teams bring definitions along.
var amazonsWords = map[string]string{
	"authorizationType":            "write authorizer: NAME; a route without it is open to all",
	"authorizerId":                 "write authorizer: NAME",
	"authorizerResultTtlInSeconds": "write resultTTL, such as 5m",
	"authorizerUri":                "write function, with the name of a function",
	"cacheKeyParameters":           "remove it: nothing is cached here",
	"cacheNamespace":               "remove it: nothing is cached here",
	"credentials":                  "remove it: aws at the top level says who calls services",
	"integrationResponses":         "write responses beside the integration: [{match: 2.., status: 200}]",
	"requestModels":                "write models in the route's request",
	"requestParameters":            "write parameters: in the integration what is sent, in the route's request what the method declares",
	"requestTemplates":             "write mapping in the route's request: {application/json: ./template.vtl}",
	"requestValidator":             "write validate in the route's request: [parameters, body]",
	"requestValidatorId":           "write validate in the route's request: [parameters, body]",
	"responseModels":               "remove it: nothing checks bodies of responses",
	"responseParameters":           "write parameters; what a method may answer is in methodResponses",
	"responseTemplates":            "write mapping: {application/json: ./template.vtl}",
	"selectionPattern":             "write match",
	"statusCode":                   "write status",
	"timeoutInMillis":              "write timeout, such as 29s",
}

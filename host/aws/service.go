package aws

import (
	"strings"

	"github.com/postern/postern/host"
)

// A service is what is to be known of one that is called by action, or whose name is not the one that it is signed for. Of all others
// the name says everything.
type service struct {
	signing string // the name that requests are signed for; "" is the service's own
	target  string // of the JSON protocols: what X-Amz-Target begins with
	json    string // of the JSON protocols: the version that the media type names
	query   string // of the query protocol, which is what actions are called by where there are both: the Version that goes along
	global  bool   // has one endpoint in the partition aws, and is signed for us-east-1
}

// services are by their names in a URI, which are the first labels of their endpoints (AWS's published service models, "metadata").
var services = map[string]service{
	"acm":                     {target: "CertificateManager", json: "1.1"},
	"application-autoscaling": {target: "AnyScaleFrontendService", json: "1.1"},
	"appsync-api":             {signing: "appsync"},
	"athena":                  {target: "AmazonAthena", json: "1.1"},
	"autoscaling":             {query: "2011-01-01"},
	"bedrock-runtime":         {signing: "bedrock"},
	"cloudformation":          {query: "2010-05-15"},
	"cloudtrail":              {target: "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101", json: "1.1"},
	"codebuild":               {target: "CodeBuild_20161006", json: "1.1"},
	"codepipeline":            {target: "CodePipeline_20150709", json: "1.1"},
	"cognito-identity":        {target: "AWSCognitoIdentityService", json: "1.1"},
	"cognito-idp":             {target: "AWSCognitoIdentityProviderService", json: "1.1"},
	"comprehend":              {target: "Comprehend_20171127", json: "1.1"},
	"dynamodb":                {target: "DynamoDB_20120810", json: "1.0"},
	"streams.dynamodb":        {signing: "dynamodb", target: "DynamoDBStreams_20120810", json: "1.0"},
	"ec2":                     {query: "2016-11-15"},
	"ecs":                     {target: "AmazonEC2ContainerServiceV20141113", json: "1.1"},
	"elasticache":             {query: "2015-02-02"},
	"email":                   {signing: "ses", query: "2010-12-01"},
	"events":                  {target: "AWSEvents", json: "1.1"},
	"firehose":                {target: "Firehose_20150804", json: "1.1"},
	"glue":                    {target: "AWSGlue", json: "1.1"},
	"iam":                     {query: "2010-05-08", global: true},
	"iot":                     {signing: "iotdata"}, // with a subdomain, which is what integrations have: its data plane
	"kinesis":                 {target: "Kinesis_20131202", json: "1.1"},
	"kms":                     {target: "TrentService", json: "1.1"},
	"logs":                    {target: "Logs_20140328", json: "1.1"},
	"monitoring":              {query: "2010-08-01"},
	"personalize-runtime":     {signing: "personalize"},
	"rds":                     {query: "2014-10-31"},
	"redshift":                {query: "2012-12-01"},
	"redshift-data":           {target: "RedshiftData", json: "1.1"},
	"rekognition":             {target: "RekognitionService", json: "1.1"},
	"secretsmanager":          {target: "secretsmanager", json: "1.1"},
	"servicediscovery":        {target: "Route53AutoNaming_v20170314", json: "1.1"},
	"sns":                     {query: "2010-03-31"},
	"sqs":                     {target: "AmazonSQS", json: "1.0", query: "2012-11-05"},
	"ssm":                     {target: "AmazonSSM", json: "1.1"},
	"states":                  {target: "AWSStepFunctions", json: "1.0"},
	"sts":                     {query: "2011-06-15"},
	"swf":                     {target: "SimpleWorkflowService", json: "1.0"},
	"textract":                {target: "Textract", json: "1.1"},
	"transcribe":              {target: "Transcribe", json: "1.1"},
	"translate":               {target: "AWSShineFrontendService_20170701", json: "1.1"},
}

// lookUp returns what is known of a call's service. Some have it under a name with a subdomain.
func lookUp(call *host.ServiceCall) service {
	s, ok := services[call.Subdomain+"."+call.Service]
	if !ok {
		s = services[call.Service]
	}
	if s.signing == "" || call.Service == "iot" && call.Subdomain == "" {
		s.signing = call.Service
	}
	return s
}

// hostOf returns the host of a service in a region.
func hostOf(call *host.ServiceCall, s service, region string) string {
	name := call.Service
	if call.Subdomain != "" {
		name = call.Subdomain + "." + name
	}
	switch {
	case strings.HasPrefix(region, "cn-"):
		return name + "." + region + ".amazonaws.com.cn"
	case s.global && !strings.HasPrefix(region, "us-gov-"):
		return name + ".amazonaws.com"
	}
	return name + "." + region + ".amazonaws.com"
}

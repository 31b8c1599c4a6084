package aws

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"slices"
	"testing"

	"github.com/postern/postern/host"
)

// AWS publishes a model of each service, which its SDK for Python brings along.
func TestServicesAreThoseOfTheModels(t *testing.T) {
	out, err := exec.Command("sh", "testdata/moto.sh", "models.py").Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		if exit.ExitCode() == 3 && os.Getenv("CI") == "" {
			t.Skip(string(exit.Stderr))
		}
		t.Fatal(err, string(exit.Stderr))
	}
	var models map[string][]struct {
		SigningName, TargetPrefix, JSONVersion, APIVersion string
		Protocols                                          []string
		QueryCompatible                                    *struct{} `json:"awsQueryCompatible"` // speaks the query protocol to older clients
	}
	if err := json.Unmarshal(out, &models); err != nil {
		t.Fatal(err)
	}
	aliases := map[string]string{"iot": "data-ats.iot", "appsync-api": "appsync"} // of hosts that each account or API has its own of
	for name, known := range services {
		in := name
		if alias := aliases[name]; alias != "" {
			in = alias
		}
		matches := false
		for _, m := range models[in] {
			signing := known.signing == m.SigningName || known.signing == "" && (m.SigningName == "" || m.SigningName == name)
			json := known.json == "" || known.json == m.JSONVersion && known.target == m.TargetPrefix && slices.Contains(m.Protocols, "json")
			query := known.query == "" || known.query == m.APIVersion && (slices.Contains(m.Protocols, "query") || slices.Contains(m.Protocols, "ec2") || m.QueryCompatible != nil)
			matches = matches || signing && json && query
		}
		if !matches {
			t.Errorf("%s: %+v is none of %+v", name, known, models[in])
		}
	}
}

func TestHosts(t *testing.T) {
	tests := []struct {
		name, subdomain, service, region, host, signing string
	}{
		{"a service", "", "sqs", "us-east-1", "sqs.us-east-1.amazonaws.com", "sqs"},
		{"a subdomain", "b.c", "s3", "eu-west-1", "b.c.s3.eu-west-1.amazonaws.com", "s3"},
		{"China", "", "sqs", "cn-north-1", "sqs.cn-north-1.amazonaws.com.cn", "sqs"},
		{"GovCloud", "", "sqs", "us-gov-west-1", "sqs.us-gov-west-1.amazonaws.com", "sqs"},
		{"a global one", "", "iam", "eu-west-1", "iam.amazonaws.com", "iam"},
		{"signed for another name", "", "email", "eu-west-1", "email.eu-west-1.amazonaws.com", "ses"},
		{"an endpoint of its own", "runtime", "sagemaker", "eu-west-1", "runtime.sagemaker.eu-west-1.amazonaws.com", "sagemaker"},
		{"known with its subdomain", "streams", "dynamodb", "eu-west-1", "streams.dynamodb.eu-west-1.amazonaws.com", "dynamodb"},
		{"the data plane of IoT", "abc-ats", "iot", "eu-west-1", "abc-ats.iot.eu-west-1.amazonaws.com", "iotdata"},
		{"IoT itself", "", "iot", "eu-west-1", "iot.eu-west-1.amazonaws.com", "iot"},
		{"one that is not known", "", "batch", "eu-west-1", "batch.eu-west-1.amazonaws.com", "batch"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			call := &host.ServiceCall{Subdomain: test.subdomain, Service: test.service}
			known := lookUp(call)
			if have := hostOf(call, known, test.region); have != test.host || known.signing != test.signing {
				t.Errorf("have %s, signed for %s", have, known.signing)
			}
		})
	}
}

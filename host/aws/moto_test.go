package aws_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/aws"
)

// startMoto returns the URL of a server that speaks the protocols of AWS's services, and was written by others.
func startMoto(t *testing.T) string {
	t.Helper()
	cmd := exec.Command("sh", "testdata/moto.sh")
	var said strings.Builder
	cmd.Stderr = &said
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		_ = cmd.Wait()
		if cmd.ProcessState.ExitCode() == 3 && os.Getenv("CI") == "" {
			t.Skip(said.String())
		}
		t.Fatal(cmd.ProcessState, said.String())
	}
	t.Cleanup(func() {
		_ = stdin.Close() // ends it
		if err := cmd.Wait(); err != nil {
			t.Error(err, said.String())
		}
	})
	return strings.TrimSpace(line)
}

// A moto calls its services, and fails the test when one refuses.
type moto struct {
	t      *testing.T
	as     *host.ServiceAccess
	sender aws.Sender
}

func (m moto) call(r request) string {
	m.t.Helper()
	a, err := call(m.t, m.sender, m.as, r)
	if err != nil {
		m.t.Fatal(err)
	}
	if a.status != 200 {
		m.t.Fatalf("%s: %d %s", r.uri, a.status, a.body)
	}
	return a.body
}

// json calls an action of a service with a JSON protocol, and decodes its answer.
func (m moto) json(uri, body string, into any) {
	m.t.Helper()
	m.decode(m.call(request{uri: uri, body: body}), into)
}

func (m moto) subtype(name string, values map[string]string, into any) {
	m.t.Helper()
	a, err := subtype(m.t, m.sender, m.as, name, values)
	if err != nil {
		m.t.Fatal(err)
	}
	if a.status != 200 {
		m.t.Fatalf("%s: %d %s", name, a.status, a.body)
	}
	m.decode(a.body, into)
}

func (m moto) decode(body string, into any) {
	m.t.Helper()
	if into == nil {
		return
	}
	if err := json.Unmarshal([]byte(body), into); err != nil {
		m.t.Fatalf("%v: %s", err, body)
	}
}

// queue makes a queue by a query's action, and returns its URL.
func (m moto) queue(name string) string {
	m.t.Helper()
	_, after, _ := strings.Cut(m.call(request{uri: "sqs:action/CreateQueue", query: "QueueName=" + name}), "<QueueUrl>")
	queue, _, ok := strings.Cut(after, "</QueueUrl>")
	if !ok {
		m.t.Fatal("the answer has no URL of a queue")
	}
	return queue
}

type message struct{ Body, ReceiptHandle string }

func (m moto) receive(queue string) []message {
	m.t.Helper()
	var got struct{ Messages []message }
	m.subtype("SQS-ReceiveMessage", map[string]string{"QueueUrl": queue, "MaxNumberOfMessages": "10", "VisibilityTimeout": "0"}, &got)
	return got.Messages
}

// one returns the only message of a queue.
func (m moto) one(queue string) string {
	m.t.Helper()
	got := m.receive(queue)
	if len(got) != 1 {
		m.t.Fatalf("the queue has %v, want one message", got)
	}
	return got[0].Body
}

// Reference 1.4, "AWS" and "HTTP API subtypes" [GUIDE]: each call is read back by another.
func TestMoto(t *testing.T) {
	as, s := access(startMoto(t)), sender(t)
	tests := map[string]func(m moto){
		"SQS": motoSQS, "SNS": motoSNS, "EventBridge": motoEventBridge, "Kinesis": motoKinesis,
		"Step Functions": motoStepFunctions, "DynamoDB": motoDynamoDB, "S3": motoS3,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(moto{t, as, s}) })
	}
	t.Run("signatures", func(t *testing.T) { motoSignatures(moto{t, as, s}) })
}

func motoSQS(m moto) {
	queue := m.queue("orders")
	u, err := url.Parse(queue)
	if err != nil {
		m.t.Fatal(err)
	}
	form := host.Header{{Name: "Content-Type", Value: "application/x-www-form-urlencoded"}}
	m.call(request{uri: "sqs:path/${stageVariables.account}/{queue}", header: form, body: "Action=SendMessage&MessageBody=by+template+%26+path",
		stage: map[string]string{"account": strings.Split(u.Path, "/")[1]}, path: map[string]string{"queue": "orders"}})
	if have := m.one(queue); have != "by template & path" {
		m.t.Errorf("the message is %q", have)
	}
	m.subtype("SQS-PurgeQueue", map[string]string{"QueueUrl": queue}, nil)
	if have := m.receive(queue); len(have) != 0 {
		m.t.Errorf("the purged queue has %v", have)
	}
	m.call(request{uri: "sqs:action/SendMessage&QueueUrl={queue}", query: "MessageBody=by%20query", path: map[string]string{"queue": queue}})
	if have := m.one(queue); have != "by query" {
		m.t.Errorf("the message is %q", have)
	}
	m.subtype("SQS-DeleteMessage", map[string]string{"QueueUrl": queue, "ReceiptHandle": m.receive(queue)[0].ReceiptHandle}, nil)

	m.subtype("SQS-SendMessage", map[string]string{"QueueUrl": queue, "MessageBody": `{"by":"subtype"}`, "DelaySeconds": "0",
		"MessageAttributes": `{"kind":{"DataType":"String","StringValue":"ordered"}}`}, nil)
	var got struct {
		Messages []struct {
			Body              string
			MessageAttributes map[string]struct{ StringValue string }
		}
	}
	m.subtype("SQS-ReceiveMessage", map[string]string{"QueueUrl": queue, "MessageAttributeNames": "kind"}, &got)
	if len(got.Messages) != 1 || got.Messages[0].Body != `{"by":"subtype"}` || got.Messages[0].MessageAttributes["kind"].StringValue != "ordered" {
		m.t.Errorf("the queue has %+v", got)
	}
	_, err = subtype(m.t, m.sender, m.as, "SQS-SendMessage", map[string]string{"QueueUrl": queue + "-none", "MessageBody": "x"})
	if !errors.Is(err, host.Internal) || !strings.Contains(err.Error(), "QueueDoesNotExist") {
		m.t.Errorf("a queue that is not there gives %v", err)
	}
}

func motoSNS(m moto) {
	queue := m.queue("subscriber")
	_, after, _ := strings.Cut(m.call(request{uri: "sns:action/CreateTopic", query: "Name=news"}), "<TopicArn>")
	topic, _, _ := strings.Cut(after, "</TopicArn>")
	m.call(request{uri: "sns:action/Subscribe", query: url.Values{"TopicArn": {topic}, "Protocol": {"sqs"},
		"Endpoint": {"arn:aws:sqs:" + where + ":123456789012:subscriber"}}.Encode()})
	m.call(request{uri: "sns:action/Publish", query: url.Values{"TopicArn": {topic}, "Message": {"what is new: é+&"}}.Encode()})
	var got struct{ Message string }
	m.decode(m.one(queue), &got)
	if got.Message != "what is new: é+&" {
		m.t.Errorf("the message is %q", got.Message)
	}
}

func motoEventBridge(m moto) {
	queue := m.queue("events")
	m.json("events:action/PutRule", `{"Name":"all","EventPattern":"{\"source\":[\"shop\"]}"}`, nil)
	m.json("events:action/PutTargets", `{"Rule":"all","Targets":[{"Id":"1","Arn":"arn:aws:sqs:`+where+`:123456789012:events"}]}`, nil)
	var put struct{ FailedEntryCount int }
	m.subtype("EventBridge-PutEvents", map[string]string{"Source": "shop", "DetailType": "ordered", "Detail": `{"id":1}`,
		"Time": "2024-02-03T04:05:06Z", "Resources": "arn:a,arn:b"}, &put)
	var got struct {
		Source    string   `json:"source"`
		Type      string   `json:"detail-type"`
		Time      string   `json:"time"`
		Resources []string `json:"resources"`
		Detail    struct {
			ID int `json:"id"`
		} `json:"detail"`
	}
	m.decode(m.one(queue), &got)
	if put.FailedEntryCount != 0 || got.Source != "shop" || got.Type != "ordered" || got.Detail.ID != 1 || len(got.Resources) != 2 ||
		!strings.HasPrefix(got.Time, "2024-02-03T04:05:06") {
		m.t.Errorf("the event is %+v", got)
	}
}

func motoKinesis(m moto) {
	m.json("kinesis:action/CreateStream", `{"StreamName":"clicks","ShardCount":1}`, nil)
	var put struct{ ShardID, SequenceNumber string }
	m.subtype("Kinesis-PutRecord", map[string]string{"StreamName": "clicks", "PartitionKey": "p", "Data": "Y2xpY2s="}, &put)
	var at struct{ ShardIterator string }
	m.json("kinesis:action/GetShardIterator", `{"StreamName":"clicks","ShardId":"`+put.ShardID+`","ShardIteratorType":"TRIM_HORIZON"}`, &at)
	var got struct {
		Records []struct{ Data, PartitionKey, SequenceNumber string }
	}
	m.json("kinesis:action/GetRecords", `{"ShardIterator":`+strconv.Quote(at.ShardIterator)+`}`, &got)
	if len(got.Records) != 1 || got.Records[0].Data != "Y2xpY2s=" || got.Records[0].PartitionKey != "p" || got.Records[0].SequenceNumber != put.SequenceNumber {
		m.t.Errorf("the stream has %+v, put was %+v", got, put)
	}
}

func motoStepFunctions(m moto) {
	var machine struct{ StateMachineArn string }
	m.json("states:action/CreateStateMachine", `{"name":"ship","roleArn":"arn:aws:iam::123456789012:role/x",`+
		`"definition":"{\"StartAt\":\"Done\",\"States\":{\"Done\":{\"Type\":\"Succeed\"}}}"}`, &machine)
	type execution struct{ ExecutionArn string }
	var bySubtype, byAction execution
	m.subtype("StepFunctions-StartExecution", map[string]string{"StateMachineArn": machine.StateMachineArn, "Name": "first", "Input": `{"id":1}`}, &bySubtype)
	m.json("states:action/StartExecution", `{"stateMachineArn":"`+machine.StateMachineArn+`","input":"{\"id\":2}"}`, &byAction)
	for input, e := range map[string]execution{`{"id":1}`: bySubtype, `{"id":2}`: byAction} {
		var got struct{ Input string }
		m.json("states:action/DescribeExecution", `{"executionArn":"`+e.ExecutionArn+`"}`, &got)
		if got.Input != input {
			m.t.Errorf("%s has the input %s", e.ExecutionArn, got.Input)
		}
	}
	m.subtype("StepFunctions-StopExecution", map[string]string{"ExecutionArn": bySubtype.ExecutionArn, "Cause": "enough"}, nil)
	var got struct{ Status string }
	m.json("states:action/DescribeExecution", `{"executionArn":"`+bySubtype.ExecutionArn+`"}`, &got)
	if got.Status != "ABORTED" {
		m.t.Errorf("the stopped execution is %s", got.Status)
	}
}

func motoDynamoDB(m moto) {
	m.json("dynamodb:action/CreateTable", `{"TableName":"orders","BillingMode":"PAY_PER_REQUEST","KeySchema":[{"AttributeName":"id","KeyType":"HASH"}],`+
		`"AttributeDefinitions":[{"AttributeName":"id","AttributeType":"S"}]}`, nil)
	target := host.Header{{Name: "X-Amz-Target", Value: "DynamoDB_20120810.PutItem"}, {Name: "Content-Type", Value: "application/x-amz-json-1.0"}}
	m.call(request{uri: "dynamodb:path//", header: target, body: `{"TableName":"orders","Item":{"id":{"S":"7"},"what":{"S":"a book"}}}`})
	var got struct{ Item map[string]map[string]string }
	m.json("dynamodb:action/GetItem", `{"TableName":"orders","Key":{"id":{"S":"7"}}}`, &got)
	if got.Item["what"]["S"] != "a book" {
		m.t.Errorf("the item is %+v", got)
	}
}

func motoS3(m moto) {
	bucket := map[string]string{"bucket": "shop"}
	m.call(request{uri: "s3:path/{bucket}", method: "PUT", path: bucket,
		body: `<CreateBucketConfiguration><LocationConstraint>` + where + `</LocationConstraint></CreateBucketConfiguration>`})
	image := "\x89PNG\x00\xff"
	for _, key := range []string{"plain.png", "a/b/c.png", "with space+plus~ü.png", "per%20cent"} {
		path := map[string]string{"bucket": "shop", "key": key}
		m.call(request{uri: "s3:path/{bucket}/{key}", method: "PUT", path: path, body: image,
			header: host.Header{{Name: "Content-Type", Value: "image/png"}, {Name: "x-amz-meta-kind", Value: "cover"}}})
		a, err := call(m.t, m.sender, m.as, request{uri: "shop.s3:path/{key}", method: "GET", path: path})
		if err != nil || a.status != 200 || a.body != image || a.header.Get("Content-Type") != "image/png" || a.header.Get("X-Amz-Meta-Kind") != "cover" {
			m.t.Errorf("%s: %+v, %v", key, a, err)
		}
	}
	if list := m.call(request{uri: "s3:path/{bucket}?list-type=2", method: "GET", query: "prefix=a/", path: bucket}); !strings.Contains(list, "<Key>a/b/c.png</Key>") ||
		strings.Contains(list, "plain.png") {
		m.t.Errorf("the bucket has %s", list)
	}
	a, err := call(m.t, m.sender, m.as, request{uri: "s3:path/{bucket}/none", method: "GET", path: bucket})
	if err != nil || a.status != 404 || !strings.Contains(a.body, "NoSuchKey") {
		m.t.Errorf("a key that is not there: %+v, %v", a, err)
	}
}

// motoSignatures has moto verify what it otherwise ignores, by the signer of AWS's SDK for Python. It goes last, as it cannot be undone. What has no
// body stays out, but for S3: there moto hashes the query in its place.
func motoSignatures(m moto) {
	m.call(request{uri: "iam:action/CreateUser", query: "UserName=gateway"})
	m.call(request{uri: "iam:action/PutUserPolicy", query: url.Values{"UserName": {"gateway"}, "PolicyName": {"all"},
		"PolicyDocument": {`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`}}.Encode()})
	key := m.call(request{uri: "iam:action/CreateAccessKey", query: "UserName=gateway"})
	between := func(name string) host.SecretValue {
		_, after, _ := strings.Cut(key, "<"+name+">")
		value, _, _ := strings.Cut(after, "</"+name+">")
		return host.SecretValue(value)
	}
	signed := *m.as
	signed.AccessKeyID.Value, signed.SecretAccessKey.Value = between("AccessKeyId"), between("SecretAccessKey")
	resp, err := http.Post(m.as.Endpoint+"/moto-api/reset-auth", "text/plain", strings.NewReader("0"))
	if err != nil || resp.StatusCode != http.StatusOK {
		m.t.Fatal(resp, err)
	}
	_ = resp.Body.Close()

	a, err := call(m.t, m.sender, m.as, request{uri: "states:action/ListStateMachines", body: "{}"})
	if err != nil || a.status != 403 {
		m.t.Errorf("a key that nobody has: %+v, %v", a, err)
	}
	wrong := signed
	wrong.SecretAccessKey.Value = "another"
	a, err = call(m.t, m.sender, &wrong, request{uri: "states:action/ListStateMachines", body: "{}"})
	if err != nil || a.status != 403 || !strings.Contains(a.body, "SignatureDoesNotMatch") {
		m.t.Errorf("a wrong secret: %+v, %v", a, err)
	}
	m.as = &signed
	m.json("states:action/ListStateMachines", "{}", nil)
	m.json("dynamodb:action/ListTables", "{}", nil)
	m.subtype("EventBridge-PutEvents", map[string]string{"Source": "shop", "DetailType": "ordered", "Detail": `{}`}, nil)
	m.subtype("Kinesis-PutRecord", map[string]string{"StreamName": "clicks", "PartitionKey": "p", "Data": "Y2xpY2s="}, nil)
	form := host.Header{{Name: "Content-Type", Value: "application/x-www-form-urlencoded"}}
	m.call(request{uri: "sqs:path/123456789012/orders", header: form, body: "Action=SendMessage&MessageBody=signed&Version=2012-11-05"})
	for _, key := range []string{"plain.png", "a/b/c.png", "with space+plus~ü.png"} {
		m.call(request{uri: "s3:path/{bucket}/{key}", method: "GET", query: "x-id=GetObject&y=a%20b", path: map[string]string{"bucket": "shop", "key": key}})
	}
}

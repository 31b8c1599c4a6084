package cloudformation_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/cloudformation"
	"github.com/postern/postern/host/document"
)

// read reads a template of YAML, without errors.
func read(t *testing.T, text string, opts cloudformation.Options) *cloudformation.Result {
	t.Helper()
	root, err := cloudformation.Parse("a.yaml", []byte(text), cloudformation.Limits())
	if err != nil {
		t.Fatal(err)
	}
	opts.AllowUnsupported = true
	result, err := cloudformation.Read(root, opts)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// template is a template with a function whose environment has the value V.
func template(sections, value string) string {
	return sections + "\nResources:\n  Table: {Type: \"AWS::DynamoDB::Table\", Properties: {TableName: t1}}\n  Queue: {Type: \"AWS::SQS::Queue\", Properties: {QueueName: q1}}\n" +
		"  Api: {Type: \"AWS::Serverless::Api\", Properties: {StageName: prod}}\n" +
		"  F:\n    Type: AWS::Lambda::Function\n    Properties:\n      Runtime: nodejs22.x\n      Handler: index.handler\n      Environment:\n        Variables:\n          V: " + value + "\n"
}

// TestIntrinsics evaluates expressions (CloudFormation user guide, "Intrinsic function reference").
func TestIntrinsics(t *testing.T) {
	sections := `
Parameters:
  Name: {Type: String, Default: shop}
  Empty: {Type: String, Default: ""}
  Size: {Type: Number, Default: 3}
  List: {Type: CommaDelimitedList, Default: "a, b,c"}
  Given: {Type: String}
Mappings: {M: {shop: {x: 1, y: [p, q]}}}
Conditions:
  Yes: !Equals [!Ref Name, shop]
  No: !Not [!Condition Yes]
  Number: !Equals [!Ref Size, 3]
  All: !And [!Condition Yes, !Condition Number, !Not [!Equals [a, b]]]
  Any: !Or [!Condition No, !Condition All]
  Lists: !Equals [!Join ["", !Ref List], abc]
`
	for name, c := range map[string]struct{ value, want string }{
		"plain":                  {"x", "x"},
		"number":                 {"12", "12"},
		"true":                   {"true", "true"},
		"ref parameter":          {"!Ref Name", "shop"},
		"ref long":               {"{Ref: Name}", "shop"},
		"given":                  {"!Ref Given", "value"},
		"region":                 {"!Ref AWS::Region", "eu-west-1"},
		"account":                {`!Sub "${AWS::AccountId}.${AWS::Partition}.${AWS::URLSuffix}.${AWS::StackName}"`, "000000000000.aws.amazonaws.com.local"},
		"resource":               {"!Ref Table", "t1"},
		"function":               {"!Ref F", "F"},
		"attribute":              {"!GetAtt Table.Arn", "arn:aws:dynamodb:eu-west-1:000000000000:table/t1"},
		"attribute list":         {`{"Fn::GetAtt": [Queue, QueueName]}`, "q1"},
		"queue":                  {"!Ref Queue", "https://sqs.eu-west-1.amazonaws.com/000000000000/q1"},
		"function arn":           {"!GetAtt F.Arn", "arn:aws:lambda:eu-west-1:000000000000:function:F"},
		"sub":                    {`!Sub "a-${Name}-${Table.Arn}-${!Literal}-${ Name }"`, "a-shop-arn:aws:dynamodb:eu-west-1:000000000000:table/t1-${Literal}-shop"},
		"sub with values":        {`!Sub ["${x}/${Name}/${y}", {x: !Ref Size, y: {"Fn::Join": ["+", [a, b]]}}]`, "3/shop/a+b"},
		"sub hides":              {`!Sub ["${Name}", {Name: own}]`, "own"},
		"sub open":               {`!Sub "a ${b"`, "a ${b"},
		"sub once":               {`!Sub ["${x}", {x: "${Name}"}]`, "${Name}"},
		"join":                   {"!Join [-, [a, !Ref Name, 3]]", "a-shop-3"},
		"join parameter":         {"!Join ['', !Ref List]", "abc"},
		"select":                 {"!Select [1, !Ref List]", "b"},
		"select text":            {`!Select ["2", [a, b, c]]`, "c"},
		"split":                  {"!Select [1, !Split [-, a-b-c]]", "b"},
		"find":                   {"!FindInMap [M, !Ref Name, x]", "1"},
		"find with default":      {"!FindInMap [M, nothing, x, {DefaultValue: !Ref Name}]", "shop"},
		"find list":              {"!Join [/, !FindInMap [M, shop, y]]", "p/q"},
		"if":                     {"!If [Yes, !Ref Name, !Ref Nowhere]", "shop"},
		"if not":                 {"!If [No, !Ref Nowhere, b]", "b"},
		"if and":                 {"!If [All, a, b]", "a"},
		"if or":                  {"!If [Any, a, b]", "a"},
		"if lists":               {"!If [Lists, a, b]", "a"},
		"base64":                 {"!Base64 {Ref: Name}", "c2hvcA=="},
		"length":                 {`{"Fn::Length": !Ref List}`, "3"},
		"json":                   {`{"Fn::ToJsonString": {a: !Ref List}}`, "{\n  \"a\": [\n    \"a\",\n    \"b\",\n    \"c\"\n  ]\n}"},
		"nested":                 {`!Join ["", [!Sub "${Name}", !Select [0, !Split [",", !Join [",", !Ref List]]]]]`, "shopa"},
		"empty":                  {"!Ref Empty", ""},
		"within a block of text": {"!Sub |\n            a\n            ${Name}", "a\nshop\n"},
	} {
		t.Run(name, func(t *testing.T) {
			result := read(t, template(sections, c.value), cloudformation.Options{Region: "eu-west-1", Parameters: map[string]string{"Given": "value"}})
			got := result.Definition.Get("functions").Get("F").Get("env").Get("V")
			if got == nil || got.Text != c.want {
				t.Errorf("%v, want %q", got, c.want)
			}
		})
	}
	result := read(t, template(sections, "!Ref AWS::NoValue"), cloudformation.Options{Parameters: map[string]string{"Given": "value"}})
	if env := result.Definition.Get("functions").Get("F").Get("env"); env.Get("V") != nil {
		t.Errorf("a variable without a value is %v", env.Get("V"))
	}
}

func TestIs(t *testing.T) {
	for text, want := range map[string]bool{
		"AWSTemplateFormatVersion: 2010-09-09":    true,
		"Resources: {A: {Type: x}}":               true,
		"Resources: {A: {}}":                      false,
		"openapi: 3.0.1\npaths: {}":               false,
		"version: 1\nfunctions: {a: {plugin: x}}": false,
		"[]": false,
		"x":  false,
	} {
		root, err := cloudformation.Parse("a.yaml", []byte(text), cloudformation.Limits())
		if err != nil {
			t.Fatal(err)
		}
		if got := cloudformation.Is(root); got != want {
			t.Errorf("Is(%q) = %v", text, got)
		}
	}
}

// TestWrong checks what is said of templates that are wrong, with the place.
func TestWrong(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"no template":         {"a: 1", `a.yaml:1:1: this is no template: it has no "Resources" (required)`},
		"null resources":      {"Resources: null", `a.yaml:1:1: this is no template: it has no "Resources" (required)`},
		"a list":              {"[]", "a.yaml:1:1: a template is an object, not a list (wrong-type)"},
		"resources":           {"Resources: [a]", `a.yaml:1:12: "Resources" must be an object, not a list (wrong-type)`},
		"parameters":          {"Parameters: x\nResources: {}", `a.yaml:1:13: "Parameters" must be an object, not text (wrong-type)`},
		"no type":             {"Resources: {A: {Properties: {}}}", `a.yaml:1:13: the resource "A" has no Type (required)`},
		"a null resource":     {"Resources: {A: null}", `a.yaml:1:13: the resource "A" must be an object, not empty (wrong-type)`},
		"a null type":         {"Resources: {A: {Type: null}}", `a.yaml:1:13: the resource "A" has no Type (required)`},
		"type":                {"Resources: {A: {Type: []}}", `a.yaml:1:23: "Type" must be text, not a list (wrong-type)`},
		"unknown ref":         {template("", "!Ref Tabel"), `a.yaml:13:19: there is no parameter and no resource "Tabel" (unknown-reference); did you mean "Table"?`},
		"unknown pseudo":      {template("", "!Ref AWS::Regoin"), `a.yaml:13:19: there is no pseudo parameter "AWS::Regoin" (unknown-reference); did you mean "AWS::Region"?`},
		"unknown in sub":      {template("", `!Sub "${stageVariables.x}"`), "a.yaml:13:19: there is no parameter and no resource \"stageVariables\" (unknown-reference); write ${!stageVariables...} for the text ${stageVariables...}"},
		"ref of a list":       {template("", "!Ref [a]"), `a.yaml:13:19: "Ref" must be text, not a list (wrong-type)`},
		"no value":            {template("Parameters: {P: {Type: String}}", "!Ref P"), "a.yaml:1:14: the parameter P has no default: it needs a value (required)"},
		"not allowed":         {template("Parameters: {P: {Type: String, Default: c, AllowedValues: [a, b]}}", "!Ref P"), `a.yaml:1:14: "c" is none of the values that the parameter P may have (invalid-value); did you mean "a"?`},
		"unknown map":         {template("Mappings: {Map: {a: {b: c}}}", "!FindInMap [Mop, a, b]"), `a.yaml:13:26: Mappings have no "Mop" (unknown-reference); did you mean "Map"?`},
		"join":                {template("", "!Join [a]"), "a.yaml:13:20: Fn::Join needs a list of 2 values (wrong-type)"},
		"join of an object":   {template("", "!Join ['', [{a: b}]]"), `a.yaml:13:26: "Fn::Join" must be text, not an object (wrong-type)`},
		"select":              {template("", "!Select [3, [a]]"), `a.yaml:13:23: Fn::Select has no item "3": the list has 1, counted from 0 (invalid-value)`},
		"unknown function":    {template("", `{"Fn::Joyn": [a]}`), `a.yaml:13:15: "Fn::Joyn" is no expression that is known here (unknown-key); did you mean "Fn::Join"?`},
		"beside others":       {template("", `{"Fn::Join": ["", []], a: b}`), "a.yaml:13:14: \"V\" must be text, not an object (wrong-type)\na.yaml:13:15: Fn::Join stands beside other keys (conflict); an expression is an object with one key"},
		"without quotes":      {template("", "{Fn::Sub: x}"), "a.yaml:13:14: \"V\" must be text, not an object (wrong-type)\na.yaml:13:15: within { } a key that has colons needs quotes (syntax); write \"Fn::Sub\": ..."},
		"unknown condition":   {template("", "!If [C, a, b]"), `a.yaml:13:19: there is no condition "C" (unknown-reference)`},
		"circular condition":  {template("Conditions: {A: !Not [!Condition B], B: !Not [!Condition A]}", "!If [A, a, b]"), "a.yaml:1:58: the condition A refers to itself, through what it refers to (conflict)"},
		"circular name":       {"Resources:\n  A: {Type: \"AWS::SQS::Queue\", Properties: {QueueName: !Ref A}}\n  F: {Type: \"AWS::Lambda::Function\", Properties: {Runtime: nodejs22.x, Handler: a.handler, Environment: {Variables: {A: !GetAtt A.QueueName}}}}", "a.yaml:2:3: A.QueueName refers to itself, through what it refers to (conflict)"},
		"circular resources":  {"Resources:\n  Api: {Type: \"AWS::ApiGateway::RestApi\"}\n  A: {Type: \"AWS::ApiGateway::Resource\", Properties: {ParentId: !Ref B, PathPart: a}}\n  B: {Type: \"AWS::ApiGateway::Resource\", Properties: {ParentId: !Ref A, PathPart: b}}\n  M: {Type: \"AWS::ApiGateway::Method\", Properties: {RestApiId: !Ref Api, ResourceId: !Ref A, HttpMethod: GET}}", "a.yaml:5:3: the resources above M go in a circle (conflict)"},
		"two methods":         {"Resources:\n  Api: {Type: \"AWS::ApiGateway::RestApi\"}\n  M: {Type: \"AWS::ApiGateway::Method\", Properties: {RestApiId: !Ref Api, ResourceId: !GetAtt Api.RootResourceId, HttpMethod: GET, Integration: {Type: MOCK}}}\n  N: {Type: \"AWS::ApiGateway::Method\", Properties: {RestApiId: !Ref Api, ResourceId: !GetAtt Api.RootResourceId, HttpMethod: get, Integration: {Type: MOCK}}}", "a.yaml:4:3: GET / stands twice (conflict); remove one of them"},
		"two functions":       {"Resources:\n  F: {Type: \"AWS::Lambda::Function\", Properties: {FunctionName: x, Runtime: nodejs22.x, Handler: a.handler}}\n  G: {Type: \"AWS::Lambda::Function\", Properties: {FunctionName: x, Runtime: nodejs22.x, Handler: a.handler}}", `a.yaml:3:3: two functions are called "x" (conflict); give them a FunctionName each`},
		"code outside":        {"Resources:\n  F: {Type: \"AWS::Serverless::Function\", Properties: {CodeUri: ../../etc, Runtime: nodejs22.x, Handler: a.handler}}", `a.yaml:2:64: "../../etc": the file is outside of the template's folder (invalid-value)`},
		"handler":             {"Resources:\n  F: {Type: \"AWS::Serverless::Function\", Properties: {Runtime: nodejs22.x, Handler: handler}}", `a.yaml:2:85: "handler" is no handler (invalid-value); write the file without its ending, a dot and the name that it exports: app.handler`},
		"hostile handler":     {"Resources:\n  F: {Type: \"AWS::Serverless::Function\", Properties: {Runtime: nodejs22.x, Handler: 'a.x}; alert(1); {y'}}", `a.yaml:2:85: "a.x}; alert(1); {y" is no handler (invalid-value); write the file without its ending, a dot and the name that it exports: app.handler`},
		"timeout":             {"Resources:\n  F: {Type: \"AWS::Serverless::Function\", Properties: {Runtime: nodejs22.x, Handler: a.handler, Timeout: soon}}", `a.yaml:2:105: Timeout must be a number of seconds from 1 to 900, not "soon" (invalid-value)`},
		"include outside":     {template("", "{\"Fn::Transform\": {Name: AWS::Include, Parameters: {Location: ../x.yaml}}}"), `a.yaml:13:76: "../x.yaml": the file is outside of the template's folder (invalid-value)`},
		"include absolute":    {template("", "{\"Fn::Transform\": {Name: AWS::Include, Parameters: {Location: /etc/passwd}}}"), `a.yaml:13:76: "/etc/passwd": the file is outside of the template's folder (invalid-value)`},
		"include nothing":     {template("", "{\"Fn::Transform\": {Name: AWS::Include, Parameters: {Location: none.yaml}}}"), `a.yaml:13:76: "none.yaml" cannot be read: there is no such file (invalid-value)`},
		"include of includes": {template("", "{\"Fn::Transform\": {Name: AWS::Include, Parameters: {Location: again.yaml}}}"), "again.yaml:1:63: a file that is included includes another (conflict); put it into the template"},
		"include of no yaml":  {template("", "{\"Fn::Transform\": {Name: AWS::Include, Parameters: {Location: bad.yaml}}}"), "bad.yaml:1:4: the list that starts here is not closed (syntax); add ]"},
		"method":              {"Resources:\n  Api: {Type: \"AWS::ApiGateway::RestApi\"}\n  M: {Type: \"AWS::ApiGateway::Method\", Properties: {RestApiId: !Ref Api, ResourceId: !GetAtt Api.RootResourceId, HttpMethod: GET, Integration: [x]}}", `a.yaml:3:144: "Integration" must be an object, not a list (wrong-type)`},
		"model":               {"Resources:\n  Api: {Type: \"AWS::ApiGateway::RestApi\"}\n  M: {Type: \"AWS::ApiGateway::Model\", Properties: {RestApiId: !Ref Api, Schema: '{\"a\": }'}}", `a.yaml:3:81: "M" is not JSON: 1:7: not JSON: invalid character '}' looking for beginning of value (syntax) (invalid-value)`},
	} {
		t.Run(name, func(t *testing.T) {
			root, err := cloudformation.Parse("a.yaml", []byte(c.text), cloudformation.Limits())
			if err != nil {
				t.Fatal(err)
			}
			files := fstest.MapFS{"index.js": {}, "a.js": {}, "again.yaml": {Data: []byte("{\"Fn::Transform\": {Name: AWS::Include, Parameters: {Location: again.yaml}}}")}, "bad.yaml": {Data: []byte("a: [")}}
			result, err := cloudformation.Read(root, cloudformation.Options{AllowUnsupported: true, Files: files})
			var errs document.Errors
			if !errors.As(err, &errs) || !errors.Is(err, host.Invalid) || result == nil {
				t.Fatalf("Read = %v, want Errors of Kind Invalid", err)
			}
			if got := err.Error(); !strings.HasPrefix(got, c.want) {
				t.Errorf("(-want +got):\n%s", cmp.Diff(c.want, got))
			}
		})
	}
}

// TestUnsupported checks that what does not run is an error unless it is allowed.
func TestUnsupported(t *testing.T) {
	text := template("", "!ImportValue x")
	root, err := cloudformation.Parse("a.yaml", []byte(text), cloudformation.Limits())
	if err != nil {
		t.Fatal(err)
	}
	result, err := cloudformation.Read(root, cloudformation.Options{})
	want := "a.yaml:13:14: Fn::ImportValue: what other stacks export is not known here: make it a parameter, and give its value (unsupported)"
	if err == nil || err.Error() != want || !result.Unsupported() {
		t.Errorf("Read = %v", err)
	}
	if _, err := cloudformation.Read(root, cloudformation.Options{AllowUnsupported: true}); err != nil {
		t.Errorf("allowed: %v", err)
	}
}

// TestHostile checks that templates which multiply are refused in bounded time.
func TestHostile(t *testing.T) {
	var doubling strings.Builder
	doubling.WriteString("Resources:\n")
	for i := range 60 {
		fmt.Fprintf(&doubling, "  Q%d: {Type: \"AWS::SQS::Queue\", Properties: {QueueName: !Sub \"${Q%d.QueueName}${Q%d.QueueName}\"}}\n", i, i+1, i+1)
	}
	doubling.WriteString("  Q60: {Type: \"AWS::SQS::Queue\", Properties: {QueueName: x}}\n  F: {Type: \"AWS::Lambda::Function\", Properties: {FunctionName: !GetAtt Q0.QueueName, Runtime: nodejs22.x, Handler: a.handler}}\n")
	chain := "Resources:\n"
	for i := range 1000 {
		chain += fmt.Sprintf("  Q%d: {Type: \"AWS::SQS::Queue\", Properties: {QueueName: !GetAtt Q%d.QueueName}}\n", i, i+1)
	}
	chain += "  Q1000: {Type: \"AWS::SQS::Queue\", Properties: {QueueName: x}}\n  F: {Type: \"AWS::Lambda::Function\", Properties: {FunctionName: !GetAtt Q0.QueueName, Runtime: nodejs22.x, Handler: a.handler}}\n"
	long := "Parameters: {P: {Type: String, Default: " + strings.Repeat("x", 100_000) + "}}\n"
	for name, c := range map[string]struct{ text, want string }{
		"doubling": {doubling.String(), "a.yaml:"},
		"chain":    {chain, "values refer to each other more than 250 deep"},
		"long sub": {template(long, `!Sub "`+strings.Repeat("${P}", 10_000)+`"`), "the template's texts expand to more than 67108864 bytes"},
		"join":     {template(long, "!Join [!Ref P, ["+strings.Repeat("a,", 10_000)+"]]"), "the template's texts expand to more than 67108864 bytes"},
		"wide": {"Resources: {" + func() (s string) {
			for i := range 3001 {
				s += fmt.Sprintf("A%d: {}, ", i)
			}
			return s
		}() + "}", "an object has more than 3000 keys"},
		"conditions": {template("Conditions:\n"+func() (s string) {
			for i := range 40 {
				s += fmt.Sprintf("  C%d: !Or [!Not [!Condition C%d], !Not [!Condition C%d]]\n", i, i+1, i+1)
			}
			return s + "  C40: !Equals [a, a]"
		}(), "!If [C0, a, b]"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			root, err := cloudformation.Parse("a.yaml", []byte(c.text), cloudformation.Limits())
			if err != nil {
				t.Fatal(err)
			}
			_, err = cloudformation.Read(root, cloudformation.Options{AllowUnsupported: true})
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("Read = %.300v, want %q", err, c.want)
			}
		})
	}
}

// FuzzRead checks that any template gives a result or Errors with places.
func FuzzRead(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add(seed)
	}
	files := fstest.MapFS{"index.js": {}, "app/app.ts": {}, "api.yaml": {Data: []byte("openapi: 3.0.1\npaths: {/: {get: {responses: {}}}}\n")}}
	f.Fuzz(func(t *testing.T, data []byte) {
		root, err := cloudformation.Parse("a.yaml", data, cloudformation.Limits())
		if err != nil {
			return
		}
		result, err := cloudformation.Read(root, cloudformation.Options{AllowUnsupported: true, Files: files})
		if result == nil {
			t.Fatal("no result")
		}
		var errs document.Errors
		if err != nil && !errors.As(err, &errs) {
			t.Fatalf("%T: %v", err, err)
		}
		for _, e := range errs {
			if e.Message == "" || e.Rule == "" || e.Pos.Line < 1 {
				t.Errorf("incomplete: %+v", e)
			}
		}
		for _, finding := range result.Findings {
			if finding.Pos.Line < 1 || finding.Message == "" || finding.Subject == "" {
				t.Errorf("incomplete: %+v", finding)
			}
		}
		if result.Definition != nil {
			document.YAML(result.Definition)
		}
	})
}

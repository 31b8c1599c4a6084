package catalog

// A Bundle is a definition as it was applied, with all that it refers to: the text of the file, code by digest, and the files that are
// neither code nor secret. It is kept as a blob, in JSON, and deployments are made of its APIs.
type Bundle struct {
	File  string            `json:"file"`            // the definition's name: errors have it
	Text  string            `json:"text"`            // the definition, in YAML or JSON
	Code  map[string]Code   `json:"code,omitempty"`  // by reference, cleaned: "authorizers/caller.ts"
	Files map[string]string `json:"files,omitempty"` // contents by reference, cleaned: PEM files of upstreams without their keys, templates, models, documents

	Unqualified bool `json:"unqualified,omitempty"` // functions of OpenAPI documents are meant without their aliases and versions: the folder itself is what runs
}

// Code is what one reference of a definition came to. Its blobs must be saved before a bundle that names them is applied.
type Code struct {
	Runtime   string   `json:"runtime"`
	Digest    string   `json:"digest"`              // of the blob
	SourceMap string   `json:"sourceMap,omitempty"` // the digest of its blob
	Exports   []string `json:"exports,omitempty"`   // names that a script exports
	Size      int64    `json:"size"`

	ConfigSchema string `json:"configSchema,omitempty"` // the digest of the JSON Schema of its configuration; "" for none
}

// blobs are the digests of the blobs that code is made of.
func (c Code) blobs() []string {
	all := []string{c.Digest}
	for _, digest := range []string{c.SourceMap, c.ConfigSchema} {
		if digest != "" {
			all = append(all, digest)
		}
	}
	return all
}

// An Input is one apply.
type Input struct {
	Bundle  Bundle            `json:"bundle"`
	Secrets map[string]string `json:"secrets,omitempty"` // values by the file that the definition names, cleaned; also keys of upstreams
	Stage   string            `json:"stage,omitempty"`   // deploys this stage alone, of every API that lists it or was given it before; "" every stage that is listed
	Prune   bool              `json:"prune,omitempty"`   // deletes what the project owned and its definition has no longer
}

// A Plan says what an apply changes, or would change.
type Plan struct {
	Project  string       `json:"project"`
	Revision uint64       `json:"revision"` // of the state: what a host that serves it reports
	Changed  bool         `json:"changed"`
	Changes  []Difference `json:"changes"`           // in the order of kind and name
	Orphans  []Difference `json:"orphans,omitempty"` // what --prune would delete
	Warnings []string     `json:"warnings,omitempty"`
}

// A Difference is one resource that changes.
type Difference struct {
	Action string   `json:"action"` // create, update, delete, deploy
	Kind   string   `json:"kind"`   // api, stage, deployment, function, upstream, domain, secret
	Name   string   `json:"name"`
	Before string   `json:"before,omitempty"` // a digest, number or version, for people
	After  string   `json:"after,omitempty"`
	Detail []string `json:"detail,omitempty"` // what of it: "route POST /orders: timeout 10s -> 5s", in the words of the file
}

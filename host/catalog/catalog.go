package catalog

import (
	"context"
	"iter"
	"time"

	"github.com/postern/postern/host"
)

// A Sealer keeps values from whoever can read the store but has no key. Same returns a mark of a value that tells equal values of
// one key and nothing else.
type Sealer interface {
	Seal(value []byte) (sealed []byte, err error)
	Open(sealed []byte) (value []byte, err error)
	Same(value []byte) string
}

// Options are what a catalog works with.
type Options struct {
	Store  host.Store
	Blobs  host.Blobs
	Sealer Sealer
	Env    func(name string) (value string, ok bool) // of secrets that come from the host's environment; nil is os.LookupEnv

	// Check compiles and starts everything of a snapshot once, as serving would; what does not work is an error with places. It is
	// called before a change is written, with the parts that are new. nil checks nothing more than the definition.
	Check func(ctx context.Context, snapshot *host.Snapshot) error

	// Progress is told what takes long, in a few words; nil for none. A context made by WithProgress overrides it.
	Progress func(line string)

	// Keep is how many versions of a function, and deployments of an API, stay that nothing points at; 0 keeps all.
	Keep int
}

// A Catalog is safe for concurrent use, as are several over one store.
type Catalog struct{ opts Options }

// New returns a catalog. Nothing is read yet.
func New(opts Options) *Catalog { return &Catalog{opts} }

// A Change says who changes something and how. The zero value is an anonymous change that is carried out.
type Change struct {
	By       string // for histories: "token ci", "key AKIA…", "dev"
	Message  string
	DryRun   bool   // everything is checked, and nothing written
	Revision uint64 // the resource's, that the change was made for; 0 for any. Another one has Kind Conflict
	Force    bool   // also what a project owns
}

// A View is the state at one revision. It is immutable.
type View struct {
	Revision uint64 // of the root document: grows with each change; 0 while nothing was ever written
}

// View reads the state as it is now.
func (c *Catalog) View(ctx context.Context) (*View, error) { panic("catalog: not written yet") }

// Watch yields the revision of the state now, and again after each change of the state or of a secret, until ctx ends.
func (c *Catalog) Watch(ctx context.Context) iter.Seq2[uint64, error] {
	panic("catalog: not written yet")
}

// The lists are sorted by name or number. What is asked for by name and is not there has Kind NotFound, with a hint at a similar name.

func (c *Catalog) Projects(ctx context.Context) ([]Project, error) { panic("catalog: not written yet") }
func (c *Catalog) Project(ctx context.Context, name string) (Project, *Bundle, error) {
	panic("catalog: not written yet")
}
func (c *Catalog) APIs(ctx context.Context) ([]API, error) { panic("catalog: not written yet") }
func (c *Catalog) API(ctx context.Context, name string) (API, error) {
	panic("catalog: not written yet")
}
func (c *Catalog) Deployments(ctx context.Context, api string) ([]Deployment, error) {
	panic("catalog: not written yet")
}
func (c *Catalog) Functions(ctx context.Context) ([]Function, error) {
	panic("catalog: not written yet")
}
func (c *Catalog) Function(ctx context.Context, name string) (Function, error) {
	panic("catalog: not written yet")
}
func (c *Catalog) Versions(ctx context.Context, function string) ([]Version, error) {
	panic("catalog: not written yet")
}
func (c *Catalog) Version(ctx context.Context, function, qualifier string) (Version, error) {
	panic("catalog: not written yet")
}
func (c *Catalog) Secrets(ctx context.Context) ([]Secret, error) { panic("catalog: not written yet") }

// Apply makes a project what its definition says. A definition that is wrong is a definition.Errors. What another project owns, or a
// domain or root that is taken, has Kind Conflict. Names of an API that some stage still serves are not taken away without Prune.
func (c *Catalog) Apply(ctx context.Context, project string, in Input, change Change) (*Plan, error) {
	panic("catalog: not written yet")
}

// DeleteProject deletes a project and all that it owns. Conflict while something of others points at it.
func (c *Catalog) DeleteProject(ctx context.Context, name string, change Change) error {
	panic("catalog: not written yet")
}

// PutAPI creates or replaces the head of an API that no project owns: the definition has that one API. Stages with AutoDeploy get it at
// once; a new API gets the stages of the definition, deployed.
func (c *Catalog) PutAPI(ctx context.Context, name string, in Input, change Change) (API, error) {
	panic("catalog: not written yet")
}
func (c *Catalog) DeleteAPI(ctx context.Context, name string, change Change) error {
	panic("catalog: not written yet")
}

// Deploy makes a deployment of the API's head, and points the stage at it, which is made if it is not there. "" makes a deployment
// alone. A head that is deployed already is not copied again.
func (c *Catalog) Deploy(ctx context.Context, api, stage, description string, change Change) (Deployment, error) {
	panic("catalog: not written yet")
}
func (c *Catalog) DeleteDeployment(ctx context.Context, api string, number int, change Change) error {
	panic("catalog: not written yet")
}

// PutStage creates or replaces a stage: deployment 0 is the one it has, or else the newest.
func (c *Catalog) PutStage(ctx context.Context, api string, stage Stage, change Change) (Stage, error) {
	panic("catalog: not written yet")
}
func (c *Catalog) DeleteStage(ctx context.Context, api, stage string, change Change) error {
	panic("catalog: not written yet")
}

// RollbackStage points a stage at the deployment before, or at a certain one; a canary ends.
func (c *Catalog) RollbackStage(ctx context.Context, api, stage string, to int, change Change) (Stage, error) {
	panic("catalog: not written yet")
}

// SetCanary begins or changes a stage's canary; nil ends it. PromoteCanary makes it the stage.
func (c *Catalog) SetCanary(ctx context.Context, api, stage string, canary *Canary, change Change) (Stage, error) {
	panic("catalog: not written yet")
}
func (c *Catalog) PromoteCanary(ctx context.Context, api, stage string, change Change) (Stage, error) {
	panic("catalog: not written yet")
}

// An Upload is a new version of a function.
type Upload struct {
	Code    *Code           // nil keeps the code of the newest version
	Config  *FunctionConfig // nil keeps the configuration of the newest version
	Promote bool            // moves live to it
}

// UploadFunction makes a version. One that equals the newest makes none and returns that. It is compiled and started once before it is
// accepted.
func (c *Catalog) UploadFunction(ctx context.Context, name string, up Upload, change Change) (Version, error) {
	panic("catalog: not written yet")
}

// SetAlias points an alias at a version, or at two; it is made if it is not there. Pointing it where it points changes nothing.
func (c *Catalog) SetAlias(ctx context.Context, function, alias string, version, second int, weight float64, change Change) (Alias, error) {
	panic("catalog: not written yet")
}

// RollbackAlias returns to the version before, and ends a second version's share if there is one instead. Conflict when there is none.
func (c *Catalog) RollbackAlias(ctx context.Context, function, alias string, change Change) (Alias, error) {
	panic("catalog: not written yet")
}
func (c *Catalog) DeleteAlias(ctx context.Context, function, alias string, change Change) error {
	panic("catalog: not written yet")
}
func (c *Catalog) DeleteVersion(ctx context.Context, function string, version int, change Change) error {
	panic("catalog: not written yet")
}
func (c *Catalog) DeleteFunction(ctx context.Context, name string, change Change) error {
	panic("catalog: not written yet")
}

func (c *Catalog) PutSecret(ctx context.Context, name string, value []byte, change Change) (Secret, error) {
	panic("catalog: not written yet")
}
func (c *Catalog) DeleteSecret(ctx context.Context, name string, change Change) error {
	panic("catalog: not written yet")
}

// A Composition is the state made into what a host can run. Its parts are those that can fail alone.
type Composition struct {
	Revision uint64
	Snapshot *host.Snapshot // with every part that could be composed
	Parts    []Part         // of the snapshot, and those that could not be composed
}

// A Part is one deployment of an API that stages serve, or one version of a function that something points at.
type Part struct {
	Kind   string // "api" or "function"
	Name   string
	Stages []string       // of an api: that serve it; a canary's is "prod (canary)"
	Number int            // the deployment or version
	API    *host.API      // of Kind api; nil when Err is set
	Fn     *host.Function // of Kind function; nil when Err is set
	Err    error          // why it could not be composed: a secret that is not there, a blob that is lost
}

// Compose makes the state into a snapshot. Code is loaded by Source.Load when it is needed. An error means that the state as a whole
// could not be read; what fails in a part is told there.
func (c *Catalog) Compose(ctx context.Context) (*Composition, error) {
	panic("catalog: not written yet")
}

// ComposeVersion is Compose for one version of a function, which nothing needs to point at.
func (c *Catalog) ComposeVersion(ctx context.Context, function string, version int) (*host.Function, error) {
	panic("catalog: not written yet")
}

// Collect deletes the blobs that nothing names and that are older than age, and returns how many.
func (c *Catalog) Collect(ctx context.Context, age time.Duration) (int, error) {
	panic("catalog: not written yet")
}

// WithProgress returns a context whose changes tell what takes long to f.
func WithProgress(ctx context.Context, f func(line string)) context.Context {
	panic("catalog: not written yet")
}

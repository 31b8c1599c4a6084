package catalog

import (
	"cmp"
	"context"
	"os"
	"strings"

	"github.com/maypok86/otter/v2"

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
	Maps   host.KVMaps // of plugins; nil where nobody keeps them
	Sealer Sealer
	Env    func(name string) (value string, ok bool) // of secrets that come from the host's environment; nil is os.LookupEnv

	// Check compiles and starts everything of a snapshot once, as serving would; what does not work is an error with places. It is
	// called before a change is written, with the parts that are new. nil checks nothing more than the definition.
	Check func(ctx context.Context, snapshot *host.Snapshot) error

	// Scripts is what runs scripts that name no runtime, as definition.Options.Scripts.
	Scripts string

	// Progress is told what takes long, in a few words; nil for none. A context made by WithProgress overrides it.
	Progress func(line string)

	// Domain is the base domain of the hosts that APIs and functions have by their names, which no project can have as domains; "" is localhost.
	Domain string

	// Keep is how many versions of a function, and deployments of an API, stay that nothing points at, the newest of them; 0 keeps all. A
	// rollback goes back to what is there still: what histories name does not keep it.
	Keep int
}

// A Catalog is safe for concurrent use, as are several over one store. Lists are sorted by name or number. What is asked for by name
// and is not there has Kind NotFound, with a hint at a similar name.
type Catalog struct {
	opts    Options
	cache   *otter.Cache[string, []byte]        // small blobs by digest: they are immutable
	metas   *otter.Cache[string, *meta]         // of documents, by digest: rules between resources look at all of them
	bundles *otter.Cache[string, *parsedBundle] // by digest
	turn    chan struct{}                       // held by a writer that was second once, so that those of one process do not hinder each other
}

const maxCache = 16 << 20 // bytes

// New returns a catalog. Nothing is read yet.
func New(opts Options) *Catalog {
	if opts.Env == nil {
		opts.Env = os.LookupEnv
	}
	opts.Domain = strings.ToLower(strings.TrimSuffix(cmp.Or(opts.Domain, "localhost"), "."))
	return &Catalog{
		opts: opts, turn: make(chan struct{}, 1), bundles: parsedCache(),
		cache: otter.Must(&otter.Options[string, []byte]{
			MaximumWeight: maxCache,
			Weigher:       func(_ string, value []byte) uint32 { return uint32(len(value)) + 256 },
		}),
		metas: otter.Must(&otter.Options[string, *meta]{
			MaximumWeight: maxCache,
			Weigher:       func(_ string, m *meta) uint32 { return uint32(256*len(m.Uses) + 128*len(m.Bundles) + 512) },
		}),
	}
}

// A Change says who changes something and how. The zero value is an anonymous change that is carried out.
type Change struct {
	By       string // for histories: "token ci", "key AKIA…", "dev"
	Message  string // of at most 1,024 bytes
	DryRun   bool   // everything is checked, and nothing written
	Revision uint64 // the resource's, that the change was made for; 0 for any. Another one has Kind Conflict
	Force    bool   // also what a project owns
}

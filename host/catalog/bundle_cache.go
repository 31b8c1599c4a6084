package catalog

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/maypok86/otter/v2"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/definition"
)

// maxParsed bounds what a catalog keeps parsed, in bytes of memory, about. Parsing 1,000 routes takes some tens of milliseconds, and
// after every change all that is served is composed anew.
const maxParsed = 64 << 20

func parsedCache() *otter.Cache[string, *parsedBundle] {
	return otter.Must(&otter.Options[string, *parsedBundle]{
		MaximumWeight: maxParsed,
		Weigher:       func(_ string, p *parsedBundle) uint32 { return p.weight() },
	})
}

// weight is about what a bundle takes of memory: its text parsed is ten times as large.
func (p *parsedBundle) weight() uint32 {
	n := 11*len(p.bundle.Text) + 1024
	for file, content := range p.bundle.Files {
		if n += len(content); p.documents[file] {
			n += 10 * len(content)
		}
	}
	return uint32(min(n, math.MaxUint32))
}

// bundle returns a bundle that is kept, or that a transaction has put, parsed.
func (s *state) bundle(ctx context.Context, digest string) (*parsedBundle, error) {
	c := s.catalog
	if p, ok := c.bundles.GetIfPresent(digest); ok {
		return p, nil
	}
	b, err := readDocument[Bundle](ctx, s, "bundle", digest)
	if err != nil {
		return nil, err
	}
	p, err := c.parse(b, digest)
	if err != nil {
		return nil, err
	}
	c.bundles.Set(digest, p)
	return p, nil
}

// parse makes a snapshot of a bundle that was accepted before. What it is refused for now, a newer version of Postern refuses.
func (c *Catalog) parse(b *Bundle, digest string) (*parsedBundle, error) {
	snapshot, documents, err := b.parse(c.opts.Scripts)
	if err != nil {
		return nil, err
	}
	if errs := c.resolve(b, snapshot, documents, false); len(errs) > 0 {
		return nil, errs
	}
	return &parsedBundle{digest: digest, bundle: b, snapshot: snapshot, documents: documents}, nil
}

// definitionErrors adds what was found beside a definition to what it is refused for itself.
func definitionErrors(err error, more definition.Errors) error {
	var errs definition.Errors
	if err != nil && !errors.As(err, &errs) {
		return err
	}
	told := map[host.Position]bool{}
	for _, e := range errs {
		told[e.Pos] = true
	}
	for _, e := range more {
		if e.Pos.Line == 0 || !told[e.Pos] {
			errs = append(errs, e)
		}
	}
	if len(errs) == 0 {
		return nil
	}
	errs.Sort()
	if more := len(errs) - maxProblems; more > 0 {
		errs = append(errs[:maxProblems], &definition.Error{Rule: definition.RuleTooLarge, Message: fmt.Sprintf("and %d more errors", more)})
	}
	return errs
}

// maxProblems is how many errors an answer has at most, as host/definition has it.
const maxProblems = 200

package catalog

import "context"

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

func (c *Catalog) DeleteVersion(ctx context.Context, function string, version int, change Change) error {
	panic("catalog: not written yet")
}

func (c *Catalog) DeleteFunction(ctx context.Context, name string, change Change) error {
	panic("catalog: not written yet")
}

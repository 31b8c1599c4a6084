package datadir

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/atomicfile"
)

// A marker is postern.json.
type marker struct {
	Format  int    `json:"format"`
	Release string `json:"release"` // that wrote it: the oldest one that is known to read the format
}

// readMarker returns a zero marker for a new folder. A folder with files of others and no marker is not taken.
func (d *Dir) readMarker() (marker, error) {
	data, err := os.ReadFile(d.Path(markerName))
	if errors.Is(err, fs.ErrNotExist) {
		return marker{}, d.checkNew()
	}
	if err != nil {
		return marker{}, explain(d.path, err)
	}
	var m marker
	decoder := json.NewDecoder(bytes.NewReader(data))
	err = decoder.Decode(&m)
	if err == nil && m.Format < 1 {
		err = errors.New("it names no format")
	}
	if err == nil {
		if _, more := decoder.Token(); !errors.Is(more, io.EOF) {
			err = errors.New("it goes on after its end")
		}
	}
	if err != nil {
		return marker{}, fail(d.path, host.Internal, fmt.Errorf("%s is damaged: %w", markerName, err),
			fmt.Sprintf(`nothing was changed; restore a backup, or if the rest is known to be whole write {"format": %d, "release": "…"} into it`, Format))
	}
	return m, nil
}

// checkNew refuses a folder that holds something, but nothing of ours: somebody's home is not a data folder. The sealing key may be there
// already: a host that is restored elsewhere begins with it.
func (d *Dir) checkNew() error {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return explain(d.path, err)
	}
	ours := []string{lockName, tempName, keyName, "lost+found"}
	for _, e := range entries {
		if slices.Contains(ours, e.Name()) || isLeftover(e.Name()) {
			continue
		}
		return fail(d.path, host.Invalid, fmt.Errorf("it holds %q, and no %s", e.Name(), markerName),
			"name an empty folder or a new one; if this is a data folder that lost its marker, restore a backup")
	}
	return nil
}

func (d *Dir) writeMarker(m marker, o Options) error {
	m.Format, m.Release = o.Format, o.Release
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return fail(d.path, host.Internal, err, "")
	}
	if err := atomicfile.Replace(d.Path(markerName), append(data, '\n'), 0o600); err != nil {
		return explain(d.path, err)
	}
	return nil
}

func (d *Dir) newer(m marker, o Options) error {
	return fail(d.path, host.Unsupported,
		fmt.Errorf("it has format %d, and release %s reads up to format %d", m.Format, o.Release, o.Format),
		fmt.Sprintf("nothing was changed; use release %s or newer", m.Release))
}

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/postern/postern/host/admin"
)

func newBackup(std *streams) *cobra.Command {
	r := &remote{std: std}
	var out string
	var force bool
	cmd := &cobra.Command{
		Use:   "backup",
		Short: "Save everything that a running host keeps",
		Long: `Writes what is deployed on the host, with every version, deployment and alias, into one tar.gz, while the host runs. Secrets in it are
sealed: to restore them takes the host's key file, which is not in it. The file is whole, or not there.`,
		Example: `  postern backup
  postern backup -o - | ssh vault 'cat > postern.tar.gz'`,
		Args: cobra.NoArgs,
		RunE: r.run(func(cmd *cobra.Command, c *admin.Client, _ []string) error {
			if _, err := os.Lstat(out); err == nil && out != "-" && !force {
				return usageErrorf("%s is there already: name another file, or write over it with --force", out)
			}
			body, err := c.Backup(cmd.Context())
			if err != nil {
				return err
			}
			defer body.Close()
			if out == "-" {
				_, err := io.Copy(std.out, body)
				return err
			}
			if out == "" {
				out = "postern-" + time.Now().Format("20060102-150405") + ".tar.gz"
			}
			return saveBackup(body, out, std)
		}),
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "`file` to write, or - for standard output; postern-DATE-TIME.tar.gz without it")
	cmd.Flags().BoolVar(&force, "force", false, "write over a file that is there")
	r.addTo(cmd)
	return cmd
}

// saveBackup writes the file, whole or not at all.
func saveBackup(body io.Reader, name string, std *streams) (err error) {
	temp, err := os.CreateTemp(filepath.Dir(name), ".postern-backup-*") // it has the mode 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temp.Name()) // the first error is the one to tell
		}
	}()
	tell := std.progress()
	reader := &tellingReader{body, 0, func(done int64) { tell.bytes("backup", done, 0) }}
	n, err := io.Copy(temp, reader)
	tell.end()
	if err = errors.Join(err, temp.Sync(), temp.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp.Name(), name); err != nil {
		return err
	}
	fmt.Fprintf(std.out, "%s\n", name)
	fmt.Fprintf(std.err, "%s\n", size(n))
	return nil
}

// A tellingReader tells how much of it was read.
type tellingReader struct {
	io.Reader
	done int64
	tell func(int64)
}

func (r *tellingReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.done += int64(n)
	r.tell(r.done)
	return n, err
}

func newRestore(std *streams) *cobra.Command {
	r := &remote{std: std}
	w := &change{std: std}
	var without bool
	var format string
	cmd := &cobra.Command{
		Use:   "restore FILE|-",
		Short: "Give an empty host what a backup holds",
		Long: `Restores a backup into a host that has nothing yet; another host is refused, and nothing changes. Secrets can be opened only with the key
file that sealed them: start the host with postern serve --secrets-key FILE, or leave them out with --without-secrets and set them again.`,
		Example: `  postern restore postern-20260301-120000.tar.gz --host http://127.0.0.1:8090 --wait`,
		Args:    cobra.ExactArgs(1),
		RunE: r.run(func(cmd *cobra.Command, c *admin.Client, args []string) error {
			if err := checkTable(format); err != nil {
				return err
			}
			in, total := std.in, int64(-1)
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return usageErrorf("%w", err)
				}
				defer f.Close()
				info, err := f.Stat()
				if err != nil {
					return err
				}
				in, total = f, info.Size()
			}
			tell := std.progress()
			defer tell.end()
			restored, err := c.Restore(cmd.Context(), in, total, without, func(done int64) { tell.bytes("restore", done, total) }, w.write(tell))
			tell.end()
			return w.done(err, func() error {
				return printOne(std.out, format, restored, fact{"documents", number(restored.Documents)}, fact{"blobs", number(restored.Blobs)},
					fact{"taken", localTime(restored.Taken)}, fact{"left out", strings.Join(restored.LeftOut, " ")})
			})
		}),
	}
	f := cmd.Flags()
	f.BoolVar(&without, "without-secrets", false, "leave out secrets and access keys, which only the backup's key file opens")
	f.StringVar(&w.message, "message", "", "`text` for the history: why")
	w.addWait(f, 0)
	formatFlag(cmd, &format)
	r.addTo(cmd)
	return cmd
}

package server

import (
	"context"
	"errors"
	"log/slog"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/pipeline"
	"github.com/postern/postern/host/telemetry"
)

// Check builds the pipeline of a snapshot as serving would, and closes it: every plugin is compiled and started once. It
// reports every error at once. No upstream hears of it.
func Check(ctx context.Context, snapshot *host.Snapshot, cacheDir string, log *slog.Logger) (err error) {
	silent, err := telemetry.Setup(ctx, telemetry.Options{Environ: func(string) string { return "" }})
	if err != nil {
		return err
	}
	runtimes, err := OpenRuntimes(RuntimeOptions{CacheDir: cacheDir, Logger: log})
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, CloseRuntimes(ctx, runtimes), silent.Shutdown(ctx))
	}()
	resolveListeners(snapshot, func(name string) string { return name + "://127.0.0.1" }) // nothing listens, and any address will do
	shared := pipeline.NewShared(runtimes, silent, nil)
	built, err := pipeline.Build(ctx, snapshot, pipeline.Config{Shared: shared, Telemetry: silent, Domain: DefaultDomain, Idle: true})
	if err != nil {
		return err
	}
	built.Release()
	return shared.Wait(ctx)
}

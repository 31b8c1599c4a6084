package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/postern/postern/host"
	"github.com/postern/postern/host/admin"
	"github.com/postern/postern/host/catalog"
)

// seedVariable repeats a run's random choices; the moments depend on the machine too.
const seedVariable = "POSTERN_TEST_SEED"

func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	if text := os.Getenv(seedVariable); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%s=%d", seedVariable, seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// kills is how many of n a run of this kind has time for: under the race detector everything takes several times as long.
func kills(n int) int {
	if raced || testing.Short() {
		return max(2, n/10)
	}
	return n
}

// TestKill kills a host a hundred times, in the middle of uploads, promotions, applies, secrets, and its own first start.
func TestKill(t *testing.T) {
	t.Run("changes", func(t *testing.T) { t.Parallel(); killChanges(t, kills(100)) })
	t.Run("sync always", func(t *testing.T) { t.Parallel(); killChanges(t, kills(10), "--sync", "always") })
	t.Run("first start", func(t *testing.T) { t.Parallel(); killFirst(t, kills(20)) })
}

// A world is all that the changes of this test make. Each change leads from one to the next one, and nothing lies between.
type world struct {
	Versions   int    // of the function greet
	Live       int    // the version of it that live means
	Deployment int    // of the API shop, where its stage is
	Page       int    // what that deployment and its function answer
	Secret     string // what the function holder is given
}

// A killing is a host that is killed and started again, and what it has acknowledged.
type killing struct {
	*process
	random  *rand.Rand
	said    world       // what was acknowledged
	wanted  world       // what the change under way would make it; the same as said without one
	doing   string      // the change under way, or the last one
	content map[int]int // what each version of greet answers
	next    int         // a number that nothing has answered yet
}

func killChanges(t *testing.T, rounds int, args ...string) {
	dir := filepath.Join(t.TempDir(), "data")
	k := &killing{process: mustStart(t, dir, args...), random: seeded(t), content: map[int]int{}}
	if err := k.begin(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, k.process.said)
	}
	token, err := os.ReadFile(filepath.Join(dir, "admin.token"))
	if err != nil {
		t.Fatal(err)
	}
	done, undone := map[string]int{}, map[string]int{}
	for range rounds {
		if err := k.changeUntilKilled(t.Context()); err != nil {
			t.Fatalf("%v\n%s", err, k.process.said)
		}
		k.process = mustStart(t, dir, args...)
		if now, err := os.ReadFile(filepath.Join(dir, "admin.token")); err != nil || string(now) != string(token) {
			t.Fatalf("admin.token is another one: %v", err)
		}
		if k.check(t); k.said == k.wanted {
			done[k.doing]++
		} else {
			undone[k.doing]++
		}
	}
	for n := range k.said.Versions { // all that ever were
		if got, err := k.invoke(t.Context(), "greet", strconv.Itoa(n+1)); err != nil || got != strconv.Itoa(k.content[n+1]) {
			t.Errorf("version %d answers %s, %v, not %d", n+1, got, err, k.content[n+1])
		}
	}
	t.Logf("%d kills, in the end %+v; the change under way was made %v, and not made %v", rounds, k.said, done, undone)
}

// begin makes the first world.
func (k *killing) begin(ctx context.Context) error {
	for _, step := range []func(context.Context) error{k.rotate, k.hold, k.upload, k.apply} {
		k.wanted = k.said
		if err := step(ctx); err != nil {
			return err
		}
		k.said = k.wanted
	}
	return nil
}

// changeUntilKilled makes one change after the other until a kill at a random moment breaks one off.
func (k *killing) changeUntilKilled(ctx context.Context) error {
	const longest = 150 * time.Millisecond // some changes on a quiet machine
	victim, killed := k.process, make(chan struct{})
	time.AfterFunc(time.Duration(k.random.Int64N(int64(longest))), func() {
		close(killed)
		_ = victim.cmd.Process.Kill()
	})
	changes := map[string]func(context.Context) error{"upload": k.upload, "promote": k.promote, "apply": k.apply, "secret": k.rotate}
	for {
		k.doing = []string{"upload", "promote", "apply", "secret"}[k.random.IntN(4)]
		k.wanted = k.said
		err := changes[k.doing](ctx)
		select {
		case <-killed:
			if err != nil && !brokenOff(err) {
				return fmt.Errorf("%s, which a kill broke off: %w", k.doing, err)
			}
			if err == nil { // it was told before the kill, or has come to be told in that moment
				k.said = k.wanted
			}
			victim.kill()
			return nil
		default:
		}
		if err != nil {
			return fmt.Errorf("%s: %w", k.doing, err)
		}
		k.said = k.wanted
	}
}

func (k *killing) fresh() string {
	k.next++
	return strconv.Itoa(k.next)
}

func (k *killing) upload(ctx context.Context) error {
	text := k.fresh()
	k.wanted.Versions++
	k.wanted.Live = k.wanted.Versions
	k.content[k.wanted.Versions] = k.next
	v, err := k.process.upload(ctx, "greet", "export const handler = async () => "+text, nil)
	if err == nil && v.Version != k.wanted.Versions {
		return fmt.Errorf("version %d was made, not %d", v.Version, k.wanted.Versions)
	}
	return err
}

func (k *killing) promote(ctx context.Context) error {
	k.wanted.Live = 1 + k.random.IntN(k.said.Versions)
	_, err := k.client.SetAlias(ctx, "greet", "live", admin.AliasInput{Version: k.wanted.Live}, admin.Write{})
	return err
}

func (k *killing) rotate(ctx context.Context) error {
	k.wanted.Secret = "value " + k.fresh()
	_, err := k.client.PutSecret(ctx, "db", host.SecretValue(k.wanted.Secret), admin.Write{})
	return err
}

// hold uploads the function that tells the secret.
func (k *killing) hold(ctx context.Context) error {
	_, err := k.process.upload(ctx, "holder", "export const handler = async (event, context) => context.secrets.DB",
		&catalog.FunctionConfig{Secrets: map[string]catalog.SecretRef{"DB": {Store: "db"}}})
	return err
}

// shop is a project whose route and function both have the number: one without the other would be half an apply.
const shop = `apis:
  shop:
    routes:
      GET /number: {integration: {mock: {body: "%[1]s"}}}
      GET /page: {integration: {function: page}}
functions:
  page: {plugin: ./page.js, env: {NUMBER: "%[1]s"}}
`

func (k *killing) apply(ctx context.Context) error {
	text := k.fresh()
	k.wanted.Page = k.next
	k.wanted.Deployment++
	code, err := k.save(ctx, []byte("export const handler = async () => ({statusCode: 200, body: process.env.NUMBER + '/"+text+"'})"))
	if err != nil {
		return err
	}
	in := catalog.Input{Bundle: catalog.Bundle{File: "postern.yaml", Text: fmt.Sprintf(shop, text), Code: map[string]catalog.Code{"page.js": code}}}
	_, err = k.client.Apply(ctx, "shop", in, admin.Write{})
	return err
}

// check looks whether the host, which was killed and has started again, has what it has acknowledged, and nothing half made. What it
// has then counts as acknowledged.
func (k *killing) check(t *testing.T) {
	t.Helper()
	now, err := k.look(t.Context())
	if err == nil && now != k.said && now != k.wanted {
		err = fmt.Errorf("there is %+v, which is neither %+v, which was acknowledged, nor %+v", now, k.said, k.wanted)
	}
	if err != nil {
		t.Fatalf("killed in %s: %v\n%s", k.doing, err, k.process.said)
	}
	k.said = now
}

// look is the world as the host has it. What does not fit together is an error.
func (k *killing) look(ctx context.Context) (w world, err error) {
	if me, err := k.client.Whoami(ctx); err != nil || me.Role != "admin" {
		return w, fmt.Errorf("the token is %+v, %w", me, err)
	}
	if err := k.serving(ctx); err != nil {
		return w, err
	}
	var numbers []int
	for v, err := range k.client.Versions(ctx, "greet") {
		if err != nil {
			return w, err
		}
		numbers = append(numbers, v.Version)
	}
	w.Versions = len(numbers)
	f, err := k.client.Function(ctx, "greet")
	if err != nil {
		return w, err
	}
	if w.Live = f.Live; f.Version != w.Versions || !slices.IsSorted(numbers) || numbers[len(numbers)-1] != w.Versions {
		return w, fmt.Errorf("greet says %+v, and has the versions %v", f, numbers)
	}
	stage, err := k.client.Stage(ctx, "shop", "$default")
	if err != nil {
		return w, err
	}
	w.Deployment = stage.Deployment
	if w.Page, err = k.page(ctx); err != nil {
		return w, err
	}
	w.Secret, err = k.invoke(ctx, "holder", "")
	w.Secret = strings.Trim(w.Secret, `"`)
	if err != nil {
		return w, err
	}
	for qualifier, version := range map[string]int{"live": w.Live, strconv.Itoa(w.Versions): w.Versions} {
		if got, err := k.invoke(ctx, "greet", qualifier); err != nil || got != strconv.Itoa(k.content[version]) {
			return w, fmt.Errorf("greet@%s, version %d, answers %s, not %d: %w", qualifier, version, got, k.content[version], err)
		}
	}
	return w, nil
}

// page is the number that the API answers, its route as its function.
func (k *killing) page(ctx context.Context) (int, error) {
	number, err := k.get(ctx, "/_postern/shop/$default/number")
	if err != nil {
		return 0, err
	}
	page, err := k.get(ctx, "/_postern/shop/$default/page")
	if err != nil {
		return 0, err
	}
	if page != number+"/"+number {
		return 0, fmt.Errorf("the route says %s, and the function %s", number, page)
	}
	return strconv.Atoi(number)
}

// killFirst kills hosts in their first start: at random moments, and as soon as each file of the folder is there.
func killFirst(t *testing.T, rounds int) {
	random := seeded(t)
	files := []string{"postern.lock", "postern.json", "jetstream", "secrets.key", "admin.token"}
	for n := range rounds {
		dir := filepath.Join(t.TempDir(), "data")
		if n%2 == 0 {
			killFirstAfter(t, dir, time.Duration(random.Int64N(int64(200*time.Millisecond))))
		} else {
			killFirstAt(t, dir, files[n/2%len(files)])
		}
		kept, _ := os.ReadFile(filepath.Join(dir, "admin.token")) // it may not be there yet
		key, _ := os.ReadFile(filepath.Join(dir, "secrets.key"))
		p := mustStart(t, dir)
		if err := p.works(t.Context()); err != nil {
			t.Fatalf("%v\n%s", err, p.said)
		}
		for name, before := range map[string][]byte{"admin.token": kept, "secrets.key": key} {
			now, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil || len(before) > 0 && string(now) != string(before) {
				t.Errorf("%s was %q and is %d bytes, %v", name, before[:min(len(before), 8)], len(now), err)
			}
		}
		p.kill()
	}
}

func killFirstAfter(t *testing.T, dir string, d time.Duration) {
	t.Helper()
	cmd, _ := serveCommand(t, dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(d)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

func killFirstAt(t *testing.T, dir, file string) {
	t.Helper()
	cmd, said := serveCommand(t, dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(patience); ; {
		if _, err := os.Lstat(filepath.Join(dir, file)); err == nil {
			break
		}
		if time.Now().After(end) {
			t.Errorf("%s was never made:\n%s", file, said)
			break
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// works uses a host that has nothing yet: its token, its sealing key, and a function.
func (p *process) works(ctx context.Context) error {
	if _, err := p.client.PutSecret(ctx, "db", host.SecretValue("opened"), admin.Write{}); err != nil {
		return err
	}
	config := &catalog.FunctionConfig{Secrets: map[string]catalog.SecretRef{"DB": {Store: "db"}}}
	code, err := p.save(ctx, []byte("export const handler = async (event, context) => context.secrets.DB"))
	if err != nil {
		return err
	}
	if _, err := p.client.UploadFunction(ctx, "holder", admin.UploadInput{Code: &code, Config: config}, admin.Write{Wait: patience}); err != nil {
		return err
	}
	if got, err := p.invoke(ctx, "holder", ""); err != nil || got != `"opened"` {
		return fmt.Errorf("holder answers %s, %w", got, err)
	}
	return p.serving(ctx)
}

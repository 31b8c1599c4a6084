package jetstream

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/postern/postern/host"
)

// ttlHeader is how long a message lives, in whole seconds (NATS ADR-43). Its resolution is a second.
const ttlHeader = "Nats-TTL"

// mapDescription begins the description of a map's stream. Its namespace follows, which the stream's name does not tell.
const mapDescription = "Postern: the map "

// Maps returns the plugins' maps. Each is a stream of its own, made by the first write: its size is bounded by the stream's.
func (s *State) Maps() *Maps { return &Maps{state: s, open: map[string]*pluginMap{}} }

// Maps are the maps of all plugins. They are safe for concurrent use, as are several over one state.
type Maps struct {
	state *State
	mu    sync.Mutex
	open  map[string]*pluginMap
}

var (
	_ host.KVStore = (*Maps)(nil)
	_ host.KVMaps  = (*Maps)(nil)
)

// Map implements host.KVStore. Those who ask for one namespace share it; the limit is that of whoever asked last, and 0 is
// host.DefaultKVBytes.
func (m *Maps) Map(namespace string, limit int64) host.KV {
	if limit <= 0 {
		limit = host.DefaultKVBytes
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	known := m.open[namespace]
	if known == nil || known.limit != limit {
		known = m.state.pluginMap(namespace, limit)
		m.open[namespace] = known
	}
	return known
}

// ListMaps implements host.KVMaps.
func (m *Maps) ListMaps(ctx context.Context) iter.Seq2[host.KVMap, error] {
	return func(yield func(host.KVMap, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel() // ends the lister where yield wants no more
		list := m.state.js.ListStreams(ctx)
		for info := range list.Info() {
			namespace, ours := strings.CutPrefix(info.Config.Description, mapDescription)
			if !ours || info.Config.Name != m.state.pluginMap(namespace, 0).streamName() {
				continue // another prefix's
			}
			if !yield(host.KVMap{Namespace: namespace, Written: written(info)}, nil) {
				return
			}
		}
		if err := list.Err(); err != nil {
			yield(host.KVMap{}, m.state.fail("list the maps", err))
		}
	}
}

// written is when a map was last written, or else made.
func written(info *jetstream.StreamInfo) time.Time {
	if last := info.State.LastTime; last.After(info.Created) {
		return last
	}
	return info.Created
}

// DeleteMap implements host.KVMaps.
func (m *Maps) DeleteMap(ctx context.Context, namespace string, before time.Time) error {
	op, name := "delete the map "+namespace, m.state.pluginMap(namespace, 0).streamName()
	stream, err := m.state.js.Stream(ctx, name)
	if err == nil {
		if !written(stream.CachedInfo()).Before(before) {
			return nil
		}
		// A server that is still busy with the files of another stream of this name leaves this one's where they are.
		if err = stream.Purge(ctx); err == nil {
			err = m.state.js.DeleteStream(ctx, name)
		}
	}
	if err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
		return m.state.fail(op, err)
	}
	return nil
}

// A pluginMap is the map of one namespace. An entry is the last message of a subject, and its revision that message's sequence.
type pluginMap struct {
	*State
	namespace string
	limit     int64
	turn      chan struct{} // held by who makes the stream: those who wait for it can give up

	mu     sync.Mutex       // never held while the server is asked
	stream jetstream.Stream // nil until it is known to be there
	made   bool             // with this limit
}

var _ host.KV = (*pluginMap)(nil)

func (s *State) pluginMap(namespace string, limit int64) *pluginMap {
	return &pluginMap{State: s, namespace: namespace, limit: limit, turn: make(chan struct{}, 1)}
}

// digest stands for the namespace, which may have what neither a stream's name nor a subject may.
func (m *pluginMap) digest() string {
	sum := sha256.Sum256([]byte(m.namespace))
	return hex.EncodeToString(sum[:16])
}

func (m *pluginMap) streamName() string { return m.opts.Prefix + "_map_" + m.digest() }

// subjects begins the subjects of all keys.
func (m *pluginMap) subjects() string { return m.opts.Prefix + ".map." + m.digest() + "." }

func (m *pluginMap) subject(key string) string {
	return m.subjects() + base64.RawURLEncoding.EncodeToString([]byte(key))
}

func (m *pluginMap) op(verb, key string) string {
	return fmt.Sprintf("%s %s of the map %s", verb, short(key), m.namespace)
}

// known returns the stream, nil when it is not known to be there, and whether it was made with this limit.
func (m *pluginMap) known() (stream jetstream.Stream, made bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.stream, m.made
}

// know sets what known returns.
func (m *pluginMap) know(stream jetstream.Stream, made bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stream, m.made = stream, made
}

// find returns the stream, nil when no write has made it yet.
func (m *pluginMap) find(ctx context.Context) (jetstream.Stream, error) {
	if stream, _ := m.known(); stream != nil {
		return stream, nil
	}
	found, err := m.js.Stream(ctx, m.streamName())
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, m.fail("open the map "+m.namespace, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stream == nil {
		m.stream = found
	}
	return m.stream, nil
}

// create makes the stream, or gives it this limit: and the room of one value more, as an entry that is replaced counts twice for a moment.
func (m *pluginMap) create(ctx context.Context) error {
	if _, made := m.known(); made {
		return nil
	}
	select {
	case m.turn <- struct{}{}:
		defer func() { <-m.turn }()
	case <-ctx.Done():
		return m.fail("open the map "+m.namespace, ctx.Err())
	}
	if _, made := m.known(); made { // by who had the turn before
		return nil
	}
	made, err := m.openStream(ctx, jetstream.StreamConfig{
		Name: m.streamName(), Description: mapDescription + m.namespace, Subjects: []string{m.subjects() + "*"},
		MaxMsgsPerSubject: 1, Discard: jetstream.DiscardNew, MaxBytes: m.limit + host.MaxKVValue, AllowMsgTTL: true,
		MaxMsgs: -1, MaxMsgSize: -1, MaxConsumers: -1,
	})
	if err != nil {
		return err
	}
	m.know(made, true)
	return nil
}

// gone reports whether err comes of a stream that was there and was deleted, which is forgotten then.
func (m *pluginMap) gone(ctx context.Context, err error) bool {
	if !errors.Is(err, jetstream.ErrStreamNotFound) {
		if !errors.Is(err, jetstream.ErrNoStreamResponse) && !errors.Is(err, nats.ErrNoResponders) {
			return false
		}
		if _, err = m.js.Stream(ctx, m.streamName()); !errors.Is(err, jetstream.ErrStreamNotFound) {
			return false
		}
	}
	m.know(nil, false)
	return true
}

func checkMapKey(op, key string) error {
	if key == "" || len(key) > host.MaxKVKey || !utf8.ValidString(key) {
		return &host.Error{Op: op, Kind: host.Invalid, Err: fmt.Errorf("a key is 1 to %d bytes of UTF-8", host.MaxKVKey)}
	}
	return nil
}

// KVGet returns an entry; see host.KV.
func (m *pluginMap) KVGet(ctx context.Context, key string) (host.KVEntry, error) {
	op := m.op("read", key)
	if err := checkMapKey(op, key); err != nil {
		return host.KVEntry{}, err
	}
	_, msg, err := m.last(ctx, key)
	if err != nil {
		return host.KVEntry{}, m.fail(op, err)
	}
	if msg == nil {
		return host.KVEntry{}, &host.Error{Op: op, Kind: host.NotFound}
	}
	return host.KVEntry{Value: msg.Data, Revision: int64(msg.Sequence)}, nil
}

// last is the message of a key, nil for none, and the stream that has it.
func (m *pluginMap) last(ctx context.Context, key string) (jetstream.Stream, *jetstream.RawStreamMsg, error) {
	stream, err := m.find(ctx)
	if stream == nil {
		return nil, nil, err
	}
	msg, err := stream.GetLastMsgForSubject(ctx, m.subject(key))
	if err != nil && (errors.Is(err, jetstream.ErrMsgNotFound) || m.gone(ctx, err)) {
		return stream, nil, nil
	}
	return stream, msg, err
}

// KVPut writes an entry; see host.KV.
func (m *pluginMap) KVPut(ctx context.Context, key string, value []byte, o host.KVOptions) (int64, error) {
	op := m.op("write", key)
	if err := checkMapKey(op, key); err != nil {
		return 0, err
	}
	if len(value) > host.MaxKVValue {
		return 0, &host.Error{Op: op, Kind: host.TooLarge, Err: fmt.Errorf("the value has %d bytes; at most %d are kept", len(value), host.MaxKVValue)}
	}
	if o.TTL < 0 || o.Revision < host.AnyRevision {
		return 0, &host.Error{Op: op, Kind: host.Invalid, Err: errors.New("neither a lifetime nor a revision is negative")}
	}
	if err := m.room(op, len(value)); err != nil {
		return 0, err
	}
	if err := m.create(ctx); err != nil {
		return 0, err
	}
	msg := nats.NewMsg(m.subject(key))
	msg.Data = value
	if o.TTL > 0 {
		msg.Header.Set(ttlHeader, wholeSeconds(o.TTL))
	}
	next, err := m.write(ctx, op, msg, o.Revision)
	if err == nil || !m.gone(ctx, err) {
		return next, err
	}
	if err := m.create(ctx); err != nil { // its namespace has an owner again
		return 0, err
	}
	return m.write(ctx, op, msg, o.Revision)
}

// maxTTL is what a longer lifetime becomes. The server adds it to the time of now, in nanoseconds since 1970, which must not overflow: an entry
// would end at once.
const maxTTL = 100 * 365 * 24 * time.Hour

// wholeSeconds is d in NATS's form, rounded up.
func wholeSeconds(d time.Duration) string {
	return strconv.FormatInt(int64((min(d, maxTTL)+time.Second-1)/time.Second), 10)
}

// write publishes what becomes the last message of its subject, where its revision is the one that is asked for.
func (m *pluginMap) write(ctx context.Context, op string, msg *nats.Msg, revision int64) (int64, error) {
	if revision == host.AnyRevision {
		ack, err := m.js.PublishMsg(ctx, msg)
		if err != nil {
			return 0, m.refused(op, err)
		}
		return int64(ack.Sequence), nil
	}
	next, err := m.swap(ctx, msg, uint64(revision))
	if conflict(err) {
		return 0, lost(op, uint64(revision))
	}
	if err != nil {
		return 0, m.refused(op, err)
	}
	return int64(next), nil
}

// refused is why a message was not kept: most of all, that the map is full.
func (m *pluginMap) refused(op string, err error) error {
	var api *jetstream.APIError
	if errors.As(err, &api) && api.ErrorCode == codeStreamStoreFailed && strings.Contains(api.Description, "maximum bytes") {
		return &host.Error{Op: op, Kind: host.TooLarge, Err: fmt.Errorf("the map is full: it holds %d bytes at most, of which each entry needs some for itself", m.limit)}
	}
	return m.fail(op, err)
}

// KVDelete removes an entry; see host.KV.
func (m *pluginMap) KVDelete(ctx context.Context, key string, revision int64) error {
	op := m.op("delete", key)
	if err := checkMapKey(op, key); err != nil {
		return err
	}
	stream, last, err := m.last(ctx, key)
	if err != nil {
		return m.fail(op, err)
	}
	switch {
	case last == nil && revision <= 0:
		return nil
	case last == nil, revision != host.AnyRevision && last.Sequence != uint64(revision):
		return lost(op, uint64(revision))
	}
	// A message has one sequence, which is gone once another has taken its place: deleting it is a compare-and-swap.
	if err = stream.DeleteMsg(ctx, last.Sequence); err == nil {
		return nil
	}
	if _, now, looked := m.last(ctx, key); looked != nil || now != nil && now.Sequence == last.Sequence {
		return m.fail(op, err)
	}
	if revision == host.AnyRevision { // who wrote meanwhile did so behind the deletion
		return nil
	}
	return lost(op, uint64(revision))
}

// KVKeys lists keys; see host.KV.
func (m *pluginMap) KVKeys(ctx context.Context, prefix, after string) ([]string, error) {
	op := "list the map " + m.namespace
	stream, err := m.find(ctx)
	if err != nil || stream == nil {
		return nil, err
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(m.subjects()+"*"))
	if err != nil && m.gone(ctx, err) {
		return nil, nil
	}
	if err != nil {
		return nil, m.fail(op, err)
	}
	var keys []string
	for subject := range info.State.Subjects {
		key, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(subject, m.subjects()))
		if k := string(key); err == nil && strings.HasPrefix(k, prefix) && k > after {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return keys[:min(len(keys), host.MaxKVKeys)], nil
}

package jetstream

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/postern/postern/host"
)

// chunkSize is how much of a content one message holds.
const chunkSize = 256 << 10

// blobs is laid out as NATS's object store is, with the digest as an object's name: chunks under a subject that is new with
// each upload, then one message that names them. nats.go's own writer wants the name before the content, takes an object's
// chunks from under its readers when it is written again, and gives a reader five seconds.
type blobs struct{ *State }

var _ host.Blobs = (*blobs)(nil)

// An object is the message that makes chunks a content (NATS's ADR-20, ObjectInfo).
type object struct {
	Name     string    `json:"name"`
	Bucket   string    `json:"bucket"`
	NUID     string    `json:"nuid"`
	Size     int64     `json:"size"`
	ModTime  time.Time `json:"mtime"`
	Chunks   int64     `json:"chunks"`
	Digest   string    `json:"digest"`
	Deleted  bool      `json:"deleted,omitempty"`
	sequence uint64    // of its message
}

func (s *State) blobsBucket() string { return s.opts.Prefix + "_blobs" }

func (s *State) blobsConfig() jetstream.StreamConfig {
	b := s.blobsBucket()
	return jetstream.StreamConfig{
		Name: "OBJ_" + b, Description: "Postern: contents by SHA-256", Subjects: []string{"$O." + b + ".C.>", "$O." + b + ".M.>"},
		AllowRollup: true, Discard: jetstream.DiscardNew, MaxMsgs: -1, MaxBytes: -1, MaxMsgSize: -1, MaxConsumers: -1, MaxMsgsPerSubject: -1,
	}
}

func (s *State) chunkSubject(id string) string { return "$O." + s.blobsBucket() + ".C." + id }

func (s *State) objectSubject(digest string) string {
	return "$O." + s.blobsBucket() + ".M." + base64.URLEncoding.EncodeToString([]byte(digest))
}

// Save keeps a content; see host.Blobs. It holds one chunk in memory. What a failed or killed Save has left is not a content,
// and is removed: here, or when the state is opened.
func (b *blobs) Save(ctx context.Context, r io.Reader) (host.Blob, error) {
	o := &object{Bucket: b.blobsBucket(), NUID: nuid.Next()}
	err := b.upload(ctx, r, o)
	mine := false
	if err == nil {
		mine, err = b.publish(ctx, o)
	}
	if !mine {
		b.dropChunks(o.NUID)
	}
	if err != nil {
		return host.Blob{}, err
	}
	return b.Stat(ctx, o.Name)
}

// upload writes the chunks, and fills in what is known of o at the end.
func (b *blobs) upload(ctx context.Context, r io.Reader, o *object) error {
	hash, chunk := sha256.New(), make([]byte, chunkSize)
	for {
		n, err := fill(r, chunk)
		if n > 0 {
			hash.Write(chunk[:n])
			if err := b.room("save a content", n); err != nil {
				return err
			}
			if _, err := b.js.Publish(ctx, b.chunkSubject(o.NUID), chunk[:n]); err != nil {
				return b.fail("save a content", err)
			}
			o.Chunks, o.Size = o.Chunks+1, o.Size+int64(n)
		}
		switch {
		case err == io.EOF: //nolint:errorlint // an end, and nothing that has one in its chain
			sum := hash.Sum(nil)
			o.Name, o.Digest = hex.EncodeToString(sum), "SHA-256="+base64.URLEncoding.EncodeToString(sum)
			return b.complete(ctx, o)
		case err != nil:
			return &host.Error{Op: "save a content", Kind: host.KindOf(err), Err: err}
		}
	}
}

// fill reads until p is full or r ends. io.ReadFull's ErrUnexpectedEOF may also be r's own, of a content that was cut off.
func fill(r io.Reader, p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var more int
		more, err = r.Read(p[n:])
		n += more
	}
	return n, err
}

// complete checks that all chunks are still there: those of an upload that took longer than leftoverAge may have been collected.
func (b *blobs) complete(ctx context.Context, o *object) error {
	info, err := b.State.blobs.Info(ctx, jetstream.WithSubjectFilter(b.chunkSubject(o.NUID)))
	if err != nil {
		return b.fail("save a content", err)
	}
	if got := info.State.Subjects[b.chunkSubject(o.NUID)]; got != uint64(o.Chunks) {
		return &host.Error{Op: "save a content", Kind: host.Timeout,
			Err: fmt.Errorf("%d parts are there, and %d were sent: it took too long, or the connection was lost on the way; try again", got, o.Chunks)}
	}
	return nil
}

// publish makes the chunks a content, unless it is there already and can be read: then its message is written again, for its
// time alone. It reports whether o's chunks are in use, or may be: a message whose answer is lost may have been written.
func (b *blobs) publish(ctx context.Context, o *object) (mine bool, err error) {
	for {
		old, err := b.object(ctx, o.Name)
		if err != nil && !errors.Is(err, host.NotFound) {
			return false, err
		}
		write, rev := o, uint64(0)
		if err == nil {
			rev = old.sequence
			if b.whole(ctx, old) {
				write = old
			}
		}
		data, err := json.Marshal(write)
		if err != nil {
			return false, &host.Error{Op: "save a content", Kind: host.Internal, Err: err}
		}
		msg := nats.NewMsg(b.objectSubject(o.Name))
		msg.Data = data
		msg.Header.Set(jetstream.MsgRollup, jetstream.MsgRollupSubject)
		switch _, err := b.swap(ctx, msg, rev); {
		case err == nil:
			if write == o && rev != 0 {
				b.dropChunks(old.NUID) // damaged ones
			}
			return write == o, nil
		case !conflict(err):
			return write == o, b.fail("save the content "+o.Name, err)
		}
	}
}

// whole reports whether a content is there and what its digest says: uploading what is damaged mends it.
func (b *blobs) whole(ctx context.Context, o *object) bool {
	if o.Deleted {
		return false
	}
	_, err := io.Copy(io.Discard, b.reader(ctx, o))
	return err == nil
}

// dropChunks removes an upload's chunks, also when the upload's context has ended.
func (b *blobs) dropChunks(id string) {
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	if err := b.State.blobs.Purge(ctx, jetstream.WithPurgeSubject(b.chunkSubject(id))); err != nil {
		b.log.Debug("leftovers of an upload stay until the next start", "error", err)
	}
}

// object reads the message of a content, Deleted ones too. The error has Kind NotFound where there is none.
func (s *State) object(ctx context.Context, digest string) (*object, error) {
	op := "content " + short(digest)
	msg, err := s.blobs.GetLastMsgForSubject(ctx, s.objectSubject(digest))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, &host.Error{Op: op, Kind: host.NotFound}
	}
	if err != nil {
		return nil, s.fail("read the "+op, err)
	}
	return parseObject(msg.Data, msg.Sequence, msg.Time)
}

func parseObject(data []byte, sequence uint64, written time.Time) (*object, error) {
	o := &object{}
	if err := json.Unmarshal(data, o); err != nil {
		return nil, &host.Error{Op: "read the description of a content", Kind: host.Internal, Err: err}
	}
	o.sequence, o.ModTime = sequence, written
	return o, nil
}

func (o *object) blob() host.Blob { return host.Blob{Digest: o.Name, Size: o.Size, Written: o.ModTime} }

// Stat tells of a content; see host.Blobs.
func (b *blobs) Stat(ctx context.Context, digest string) (host.Blob, error) {
	o, err := b.there(ctx, digest)
	if err != nil {
		return host.Blob{}, err
	}
	return o.blob(), nil
}

// there is object for contents alone.
func (b *blobs) there(ctx context.Context, digest string) (*object, error) {
	if !isDigest(digest) {
		return nil, &host.Error{Op: "content " + short(digest), Kind: host.NotFound, Err: errors.New("a digest is 64 lower-case hexadecimal digits")}
	}
	o, err := b.object(ctx, digest)
	if err == nil && o.Deleted {
		return nil, &host.Error{Op: "content " + digest, Kind: host.NotFound}
	}
	return o, err
}

func isDigest(s string) bool {
	if len(s) != 2*sha256.Size {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !('0' <= c && c <= '9' || 'a' <= c && c <= 'f') {
			return false
		}
	}
	return true
}

// Delete removes a content; see host.Blobs.
func (b *blobs) Delete(ctx context.Context, digest string, before time.Time) error {
	o, err := b.there(ctx, digest)
	if errors.Is(err, host.NotFound) || err == nil && !before.IsZero() && !o.ModTime.Before(before) {
		return nil
	}
	if err != nil {
		return err
	}
	op := "delete the content " + digest
	err = b.State.blobs.Purge(ctx, jetstream.WithPurgeSubject(b.objectSubject(digest)), jetstream.WithPurgeSequence(o.sequence+1))
	if err != nil {
		return b.fail(op, err)
	}
	switch now, err := b.object(ctx, digest); {
	case errors.Is(err, host.NotFound) || err == nil && now.NUID != o.NUID:
	default:
		return err // saved meanwhile: its chunks are in use
	}
	if err := b.State.blobs.Purge(ctx, jetstream.WithPurgeSubject(b.chunkSubject(o.NUID))); err != nil {
		return b.fail(op, err)
	}
	return nil
}

// List yields every content; see host.Blobs.
func (b *blobs) List(ctx context.Context) iter.Seq2[host.Blob, error] {
	return func(yield func(host.Blob, error) bool) {
		for o, err := range b.objects(ctx) {
			if err != nil {
				yield(host.Blob{}, err)
				return
			}
			if !o.Deleted && !yield(o.blob(), nil) {
				return
			}
		}
	}
}

// objects yields the messages of all contents, as the stream's leader has them.
func (s *State) objects(ctx context.Context) iter.Seq2[*object, error] {
	return func(yield func(*object, error) bool) {
		prefix := "$O." + s.blobsBucket() + ".M."
		info, err := s.blobs.Info(ctx, jetstream.WithSubjectFilter(prefix+">"))
		if err != nil {
			yield(nil, s.fail("list contents", err))
			return
		}
		for subject := range info.State.Subjects {
			name, err := base64.URLEncoding.DecodeString(strings.TrimPrefix(subject, prefix))
			if err != nil {
				continue // not written by us
			}
			o, err := s.object(ctx, string(name))
			if errors.Is(err, host.NotFound) {
				continue // deleted meanwhile
			}
			if !yield(o, err) || err != nil {
				return
			}
		}
	}
}

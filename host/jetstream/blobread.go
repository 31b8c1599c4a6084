package jetstream

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/postern/postern/host"
)

// Open returns a content; see host.Blobs. It reads as long as ctx lasts, and holds one chunk in memory.
func (b *blobs) Open(ctx context.Context, digest string) (io.ReadCloser, error) {
	o, err := b.there(ctx, digest)
	if err != nil {
		return nil, err
	}
	return b.reader(ctx, o), nil
}

func (b *blobs) reader(ctx context.Context, o *object) *blobReader {
	return &blobReader{ctx: ctx, blobs: b, object: o, hash: sha256.New()}
}

// A blobReader reads a content's chunks one by one. It holds the context of Open, because io.Reader has none.
type blobReader struct {
	ctx    context.Context
	blobs  *blobs
	object *object
	hash   hash.Hash
	rest   []byte // of the present chunk
	after  uint64 // sequence of the last chunk read
	chunks int64
	size   int64
	err    error
}

// Read returns what the next chunk holds; io.EOF comes only after the digest has proved right.
func (r *blobReader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 && r.err == nil {
		r.err = r.chunk()
	}
	if len(r.rest) == 0 {
		return 0, r.err
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// chunk fetches the next chunk, or says that the content is at its end, and whole.
func (r *blobReader) chunk() error {
	if r.chunks == r.object.Chunks {
		if hex.EncodeToString(r.hash.Sum(nil)) != r.object.Name || r.size != r.object.Size {
			return r.damaged(errors.New("its bytes are not those of its digest"))
		}
		return io.EOF
	}
	msg, err := r.blobs.State.blobs.GetMsg(r.ctx, r.after+1, jetstream.WithGetMsgSubject(r.blobs.chunkSubject(r.object.NUID)))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return r.damaged(fmt.Errorf("%d of its %d parts are there", r.chunks, r.object.Chunks))
	}
	if err != nil {
		return r.blobs.fail("read the content "+r.object.Name, err)
	}
	r.hash.Write(msg.Data)
	r.rest, r.after = msg.Data, msg.Sequence
	r.chunks, r.size = r.chunks+1, r.size+int64(len(msg.Data))
	return nil
}

func (r *blobReader) damaged(why error) error {
	return &host.Error{Op: "read the content " + r.object.Name, Kind: host.Internal,
		Err: fmt.Errorf("%w: the store is damaged, or the content was deleted meanwhile; restore a backup, or upload it again", why)}
}

// Close ends the reading.
func (r *blobReader) Close() error {
	r.rest, r.err = nil, errors.New("the content was closed")
	return nil
}

// leftoverAge is when chunks that no content names count as left behind, where other hosts may be uploading.
const leftoverAge = 6 * time.Hour

// collect removes the chunks of uploads that a kill has cut off. An embedded server has one user, who is not uploading yet;
// on an external one it is done behind, and what is young stays.
func (s *State) collect(ctx context.Context) error {
	if s.storage() == jetstream.MemoryStorage {
		return nil
	}
	if s.server != nil {
		return s.collectOlder(ctx, 0)
	}
	s.behind.Go(func() {
		if err := s.collectOlder(s.ctx, leftoverAge); err != nil && s.ctx.Err() == nil {
			s.log.Warn("leftovers of uploads were not collected", "error", err)
		}
	})
	return nil
}

func (s *State) collectOlder(ctx context.Context, age time.Duration) error {
	info, err := s.blobs.Info(ctx, jetstream.WithSubjectFilter(s.chunkSubject("*")))
	if err != nil {
		return s.fail("look for leftovers of uploads", err)
	}
	left := info.State.Subjects
	for o, err := range s.objects(ctx) {
		if err != nil {
			return err
		}
		delete(left, s.chunkSubject(o.NUID))
	}
	for subject := range left {
		last, err := s.blobs.GetLastMsgForSubject(ctx, subject)
		if errors.Is(err, jetstream.ErrMsgNotFound) || err == nil && time.Since(last.Time) < age {
			continue
		}
		if err == nil {
			err = s.blobs.Purge(ctx, jetstream.WithPurgeSubject(subject))
		}
		if err != nil {
			return s.fail("remove leftovers of uploads", err)
		}
		s.log.Info("leftovers of an upload were removed", "messages", left[subject])
	}
	return nil
}

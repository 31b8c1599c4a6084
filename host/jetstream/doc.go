// Package jetstream keeps a host's state in NATS JetStream: documents with compare-and-swap (host.Store), contents by their
// SHA-256 (host.Blobs), append-only journals, and durable work queues. The server is embedded in the process, in memory or
// on disk, and then has no TCP port; or it is an external server or cluster. It owns nats-server and nats.go.
//
// # What is where
//
// With the prefix "postern", documents are the KV bucket postern_documents, contents the object store postern_blobs, a journal
// NAME the stream postern_journal_NAME, and a queue NAME the stream postern_queue_NAME. The layouts of the bucket and of the
// object store are NATS's own (its design records ADR-8 and ADR-20), so that the nats command can read both.
// The map of a namespace is a stream postern_map_DIGEST, of the namespace's SHA-256.
//
// # Durability
//
// What Put, Delete, Save, Append and Send have acknowledged is, on disk:
//
//   - embedded, as it comes: written to the operating system before the acknowledgement, so that it survives kill -9 and a
//     crash of the process; fsynced every five seconds, so that a power cut or a crash of the kernel may take the last seconds.
//   - embedded with SyncAlways: fsynced before the acknowledgement, so that it survives a power cut too, as far as the disk keeps
//     what it has confirmed.
//   - external: as its servers are set up (sync_interval). With Replicas 3 a majority has it before the acknowledgement, so that
//     it survives the loss of any one server.
//   - in memory: it ends with the process.
//
// A call that ended with Kind Unavailable or Timeout may have been done or not: its writer reads again.
package jetstream

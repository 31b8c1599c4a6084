;; One host function a call. The meta that comes in is no JSON but: what to do, the key's length (a byte each), two numbers (8 bytes each), the key, and a
;; value. What fails is what handle returns; otherwise the body is the revision (8 bytes) and what was read.
(module
  (import "postern" "meta_read" (func $meta_read (param i32 i32) (result i32)))
  (import "postern" "meta_write" (func $meta_write (param i32 i32) (result i32)))
  (import "postern" "body_write" (func $body_write (param i32 i32) (result i32)))
  (import "postern" "body_read" (func $body_read (param i32 i32) (result i32)))
  (import "postern" "config_read" (func $config_read (param i32 i32) (result i32)))
  (import "postern" "context_read" (func $context_read (param i32 i32) (result i32)))
  (import "postern" "kv_get" (func $kv_get (param i32 i32 i32 i32) (result i32)))
  (import "postern" "kv_revision" (func $kv_revision (result i64)))
  (import "postern" "kv_put" (func $kv_put (param i32 i32 i32 i32 i64 i64) (result i32)))
  (import "postern" "kv_delete" (func $kv_delete (param i32 i32 i64) (result i32)))
  (import "postern" "kv_keys" (func $kv_keys (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "postern" "metric" (func $metric (param i32 i32 i32 f64) (result i32)))
  (import "postern" "now" (func $now (result i64)))
  (memory (export "memory") 4)
  (data (i32.const 0) "{}")
  (func (export "postern_abi_1"))

  ;; 2048: what came in, 131072: what goes out, the revision first
  (func $act (result i32) (i32.load8_u (i32.const 2048)))
  (func $first (result i64) (i64.load (i32.const 2050)))
  (func $second (result i64) (i64.load (i32.const 2058)))
  (func $key_len (result i32) (i32.load8_u (i32.const 2049)))
  (func $value (result i32) (i32.add (i32.const 2066) (call $key_len)))

  ;; while it starts: k uses the map, c reads the context and traps if there is one
  (func (export "_initialize")
    (drop (call $config_read (i32.const 2048) (i32.const 8)))
    (if (i32.eq (call $act) (i32.const 0x6b)) (then (drop (call $kv_revision))))
    (if (i32.eq (call $act) (i32.const 0x63)) (then
      (if (call $context_read (i32.const 64) (i32.const 8)) (then unreachable)))))

  (func $do (param $len i32) (result i32)
    (local $act i32)
    (local.set $act (call $act))
    (if (i32.eq (local.get $act) (i32.const 0x67)) (then ;; g: get, into as much room as the first number says, and again
      (drop (call $kv_get (i32.const 2066) (call $key_len) (i32.const 131080) (i32.wrap_i64 (call $first))))
      (return (call $kv_get (i32.const 2066) (call $key_len) (i32.const 131080) (i32.const 65536)))))
    (if (i32.eq (local.get $act) (i32.const 0x70)) (then ;; p: put
      (return (call $kv_put (i32.const 2066) (call $key_len) (call $value)
        (i32.sub (local.get $len) (i32.add (i32.const 18) (call $key_len))) (call $second) (call $first)))))
    (if (i32.eq (local.get $act) (i32.const 0x64)) (then ;; d: delete
      (return (call $kv_delete (i32.const 2066) (call $key_len) (call $first)))))
    (if (i32.eq (local.get $act) (i32.const 0x6b)) (then ;; k: keys that begin with the key and come after the value
      (return (call $kv_keys (i32.const 2066) (call $key_len) (call $value)
        (i32.sub (local.get $len) (i32.add (i32.const 18) (call $key_len))) (i32.const 131080) (i32.const 65536)))))
    (if (i32.eq (local.get $act) (i32.const 0x6d)) (then ;; m: metric
      (return (call $metric (i32.wrap_i64 (call $first)) (i32.const 2066) (call $key_len) (f64.reinterpret_i64 (call $second))))))
    (if (i32.eq (local.get $act) (i32.const 0x63)) (then ;; c: context
      (return (call $context_read (i32.const 131080) (i32.const 65536)))))
    (if (i32.eq (local.get $act) (i32.const 0x6c)) (then ;; l: asks for the time for ever
      (loop $more (drop (call $now)) (br $more))))
    (if (i32.eq (local.get $act) (i32.const 0x62)) (then ;; b: reads the body a byte at a time
      (loop $more (br_if $more (i32.gt_s (call $body_read (i32.const 64) (i32.const 1)) (i32.const 0))))))
    (i32.const 0))

  (func (export "handle") (result i32)
    (local $n i32)
    (local.set $n (call $do (call $meta_read (i32.const 2048) (i32.const 100000))))
    (if (i32.lt_s (local.get $n) (i32.const 0)) (then (return (local.get $n))))
    (i64.store (i32.const 131072) (call $kv_revision))
    (drop (call $meta_write (i32.const 0) (i32.const 2)))
    (call $body_write (i32.const 131072) (i32.add (i32.const 8) (local.get $n))))
)

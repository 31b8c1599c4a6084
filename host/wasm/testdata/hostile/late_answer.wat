;; Sleeps for an hour, and whenever it wakes answers at once, without a loop or a call in which it could be stopped before.
(module
  (import "postern" "meta_write" (func $meta_write (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  ;; A subscription (48 bytes at 128) to the monotonic clock, in an hour: 3600e9 ns.
  (data (i32.const 144) "\01\00\00\00\00\00\00\00\00\a0\b8\30\46\03\00\00")
  (data (i32.const 16) "{\"statusCode\":200}")
  (func (export "postern_abi_1"))
  (func $handle (export "handle") (result i32)
    (drop (call $poll (i32.const 128) (i32.const 256) (i32.const 1) (i32.const 512)))
    (call $meta_write (i32.const 16) (i32.const 18))))

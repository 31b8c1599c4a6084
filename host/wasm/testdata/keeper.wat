;; A guest that keeps what it is told, where instances can keep things: in memory, in memory that it takes for that, in a global that is not
;; exported, and in a stream. The second byte of its event, which is a JSON string, says what to do, and the third is what to keep.
(module
  (import "postern" "meta_read" (func $meta_read (param i32 i32) (result i32)))
  (import "postern" "meta_write" (func $meta_write (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (global $kept (mut i32) (i32.const 45))
  (global $wide (mut i64) (i64.const 45))
  (data (i32.const 64) "\"----\"")
  ;; An iovec: 1 byte at 128, where no line ends.
  (data (i32.const 96) "\80\00\00\00\01\00\00\00")
  (data (i32.const 70000) "-")
  (func (export "postern_abi_1"))
  (func (export "handle") (result i32) (local $do i32) (local $what i32)
    (drop (call $meta_read (i32.const 0) (i32.const 8)))
    (local.set $do (i32.load8_u (i32.const 1)))
    (local.set $what (i32.load8_u (i32.const 2)))
    (memory.fill (i32.const 0) (i32.const 0) (i32.const 8))
    (if (i32.eq (local.get $do) (i32.const 107)) (then                     ;; k eep
      (i32.store8 (i32.const 70000) (local.get $what))
      (i32.store8 (i32.const 8192) (local.get $what))
      (global.set $kept (local.get $what))
      (global.set $wide (i64.extend_i32_u (local.get $what)))
      (i32.store8 (i32.const 128) (local.get $what))
      (drop (call $fd_write (i32.const 1) (i32.const 96) (i32.const 1) (i32.const 120)))
      (i32.store8 (i32.const 128) (i32.const 0))))
    (if (i32.eq (local.get $do) (i32.const 103)) (then                     ;; g row, and keep it there
      (if (i32.lt_s (memory.grow (i32.const 1)) (i32.const 0)) (then unreachable))
      (i32.store8 (i32.const 140000) (local.get $what))))
    (if (i32.eq (local.get $do) (i32.const 100)) (then                     ;; d ie, and keep it
      (i32.store8 (i32.const 70000) (local.get $what))
      unreachable))
    ;; All else tells what is kept: a byte of data, one that was zero, and the globals.
    (i32.store8 (i32.const 65) (i32.load8_u (i32.const 70000)))
    (i32.store8 (i32.const 66) (i32.load8_u (i32.const 8192)))
    (if (i32.eqz (i32.load8_u (i32.const 66))) (then (i32.store8 (i32.const 66) (i32.const 45))))
    (i32.store8 (i32.const 67) (global.get $kept))
    (i64.store8 (i32.const 68) (global.get $wide))
    (call $meta_write (i32.const 64) (i32.const 6))))

;; Writes lines to standard error without end.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "all work and no play\n")
  (data (i32.const 64) "\10\00\00\00\15\00\00\00")
  (func (export "postern_abi_1"))
  (func $flood (loop $l (drop (call $fd_write (i32.const 2) (i32.const 64) (i32.const 1) (i32.const 80))) (br $l)))
  (func $handle (export "handle") (result i32) (call $flood) (i32.const 0)))

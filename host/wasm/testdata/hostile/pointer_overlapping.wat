;; Has the host write a value over the name by which it asks for it, and an event over the answer that it gave before. All of that is its own
;; memory: what the host has read, it has.
(module
  (import "postern" "env_read" (func $env_read (param i32 i32 i32 i32) (result i32)))
  (import "postern" "meta_read" (func $meta_read (param i32 i32) (result i32)))
  (import "postern" "meta_write" (func $meta_write (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "TABLE")
  (data (i32.const 64) "{\"statusCode\":200}")
  (func (export "postern_abi_1"))
  (func $handle (export "handle") (result i32)
    (drop (call $env_read (i32.const 16) (i32.const 5) (i32.const 14) (i32.const 32)))
    (memory.copy (i32.const 256) (i32.const 64) (i32.const 18))
    (drop (call $meta_write (i32.const 256) (i32.const 9)))
    (drop (call $meta_write (i32.const 265) (i32.const 9)))
    (drop (call $meta_read (i32.const 250) (i32.const 1024)))
    (i32.const 0)))

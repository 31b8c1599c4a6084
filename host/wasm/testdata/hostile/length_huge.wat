;; Writes a body of 2 GiB less one byte, out of a memory of 64 KiB.
(module
  (import "postern" "body_write" (func $body_write (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "postern_abi_1"))
  (func $handle (export "handle") (result i32) (call $body_write (i32.const 0) (i32.const 0x7fffffff))))

;; Asks for a secret whose name is all of its memory.
(module
  (import "postern" "secret_read" (func $secret_read (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 16)
  (func (export "postern_abi_1"))
  (func $handle (export "handle") (result i32) (call $secret_read (i32.const 0) (i32.const 1048576) (i32.const 0) (i32.const 0))))

;; Wants a GiB before it has done anything.
(module
  (memory (export "memory") 16384)
  (data (i32.const 1073741816) "the end")
  (func (export "postern_abi_1"))
  (func $handle (export "handle") (result i32) (i32.const 0)))

;; A loop without end, and without a call in it.
(module
  (memory (export "memory") 1)
  (func (export "postern_abi_1"))
  (func $spin (loop $l (br $l)))
  (func $handle (export "handle") (result i32) (call $spin) (i32.const 0)))

;; Fills all of its memory again and again: few instructions, and much work each.
(module
  (memory (export "memory") 32)
  (func (export "postern_abi_1"))
  (func $flood
    (loop $l
      (memory.fill (i32.const 0) (i32.const 170) (i32.const 2097152))
      (br $l)))
  (func $handle (export "handle") (result i32) (call $flood) (i32.const 0)))

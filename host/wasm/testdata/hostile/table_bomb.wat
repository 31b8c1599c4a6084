;; Grows a table, which is no part of its memory, until it may not, and dies of that.
(module
  (memory (export "memory") 1)
  (table $t 1 funcref)
  (func (export "postern_abi_1"))
  (func $hoard
    (loop $l (br_if $l (i32.ge_s (table.grow $t (ref.null func) (i32.const 10000)) (i32.const 0))))
    (drop (table.grow $t (ref.null func) (i32.const -1)))
    unreachable)
  (func $handle (export "handle") (result i32) (call $hoard) (i32.const 0)))

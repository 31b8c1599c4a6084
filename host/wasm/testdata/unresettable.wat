;; A guest with state that is neither memory nor a number: its calls change a table.
(module
  (memory (export "memory") 1)
  (table $t 1 funcref)
  (func (export "postern_abi_1"))
  (func $set (table.set $t (i32.const 0) (ref.null func)))
  (func (export "handle") (result i32) (call $set) (i32.const 0)))

;; It wants what nobody offers, and what is offered otherwise.
(module
  (import "env" "nobody" (func (param i32)))
  (import "postern" "now" (func (result i32)))
  (import "postern" "clock" (global i32))
  (memory (export "memory") 1)
  (func (export "postern_abi_1"))
  (func (export "handle") (result i32) (i32.const 0)))

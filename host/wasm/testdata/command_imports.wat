;; A WASI command that also wants a host function of Postern's ABI.
(module
  (import "postern" "meta_write" (func (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")))

(module
  (func (export "postern_abi_1"))
  (func (export "handle") (result i32) (i32.const 0)))

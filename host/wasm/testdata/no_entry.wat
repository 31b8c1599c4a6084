(module
  (memory (export "memory") 1)
  (func (export "postern_abi_1")))

;; Two to the power of sixty calls, none of them deep, and no loop.
(module
  (memory (export "memory") 1)
  (func (export "postern_abi_1"))
  (func $tree (param $depth i32)
    (if (i32.eqz (local.get $depth)) (then (return)))
    (call $tree (i32.sub (local.get $depth) (i32.const 1)))
    (call $tree (i32.sub (local.get $depth) (i32.const 1))))
  (func $handle (export "handle") (result i32) (call $tree (i32.const 60)) (i32.const 0)))

;; Takes page after page and writes to each, and dies when it gets no more.
(module
  (memory (export "memory") 1)
  (func (export "postern_abi_1"))
  (func $hoard (local $page i32)
    (loop $l
      (local.set $page (memory.grow (i32.const 1)))
      (if (i32.lt_s (local.get $page) (i32.const 0)) (then unreachable))
      (memory.fill (i32.mul (local.get $page) (i32.const 65536)) (i32.const 170) (i32.const 65536))
      (br $l)))
  (func $handle (export "handle") (result i32) (call $hoard) (i32.const 0)))

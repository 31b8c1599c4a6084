;; Takes four GiB at once, and writes there whether it got them or not.
(module
  (memory (export "memory") 1)
  (func (export "postern_abi_1"))
  (func $grab
    (drop (memory.grow (i32.const 65535)))
    (i32.store (i32.const -65536) (i32.const 1)))
  (func $handle (export "handle") (result i32) (call $grab) (i32.const 0)))

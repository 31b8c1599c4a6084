;; Makes requests without end, whatever comes of them, and closes none.
(module
  (import "postern" "fetch" (func $fetch (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "{\"url\":\"http://127.0.0.1:1/\"}")
  (func (export "postern_abi_1"))
  (func $flood (loop $l (drop (call $fetch (i32.const 16) (i32.const 29) (i32.const 0) (i32.const 0))) (br $l)))
  (func $handle (export "handle") (result i32) (call $flood) (i32.const 0)))

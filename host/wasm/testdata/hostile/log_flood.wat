;; Logs without end.
(module
  (import "postern" "log" (func $log (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "postern_abi_1"))
  (func $flood (loop $l (drop (call $log (i32.const 0) (i32.const 0) (i32.const 60000))) (br $l)))
  (func $handle (export "handle") (result i32) (call $flood) (i32.const 0)))

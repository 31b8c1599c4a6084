;; A function that answers with the request's body, a piece at a time, and a mapping that does the same.
(module
  (import "postern" "meta_write" (func $meta_write (param i32 i32) (result i32)))
  (import "postern" "body_read" (func $body_read (param i32 i32) (result i32)))
  (import "postern" "body_write" (func $body_write (param i32 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 0) "{\"statusCode\":200}")
  (data (i32.const 32) "{\"contentType\":\"text/plain\"}")
  (func (export "postern_abi_1"))

  (func $copy (result i32)
    (local $n i32)
    (block $end
      (loop $more
        (local.set $n (call $body_read (i32.const 1024) (i32.const 65536)))
        (if (i32.lt_s (local.get $n) (i32.const 0)) (then (return (local.get $n))))
        (br_if $end (i32.eqz (local.get $n)))
        (local.set $n (call $body_write (i32.const 1024) (local.get $n)))
        (if (i32.lt_s (local.get $n) (i32.const 0)) (then (return (local.get $n))))
        (br $more)))
    (i32.const 0))

  (func (export "handle") (result i32)
    (drop (call $meta_write (i32.const 0) (i32.const 18)))
    (call $copy))
  (func (export "map_request") (result i32)
    (drop (call $meta_write (i32.const 32) (i32.const 28)))
    (call $copy)))

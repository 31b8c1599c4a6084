;; An authorizer in the least code: it lets a request pass whose event holds authorization: Bearer demo.
(module
  (import "postern" "meta_read" (func $meta_read (param i32 i32) (result i32)))
  (import "postern" "meta_write" (func $meta_write (param i32 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 0) "\"authorization\":\"Bearer demo\"")
  (data (i32.const 64) "{\"isAuthorized\":true,\"context\":{\"user\":\"demo\"}}")
  (data (i32.const 128) "{\"isAuthorized\":false}")
  (func (export "postern_abi_1"))

  ;; matches reports whether the 29 bytes at 0 stand at $at.
  (func $matches (param $at i32) (result i32)
    (local $i i32)
    (loop $next
      (if (i32.ne (i32.load8_u (local.get $i)) (i32.load8_u (i32.add (local.get $at) (local.get $i))))
        (then (return (i32.const 0))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (i32.const 29))))
    (i32.const 1))

  (func (export "authorize") (result i32)
    (local $at i32) (local $end i32)
    ;; The event goes to 1024; what is longer than 64 KiB is cut off.
    (local.set $at (i32.const 1024))
    (local.set $end (call $meta_read (i32.const 1024) (i32.const 65536)))
    (if (i32.gt_u (local.get $end) (i32.const 65536)) (then (local.set $end (i32.const 65536))))
    (local.set $end (i32.add (local.get $end) (i32.const 995)))
    (block $none
      (loop $next
        (br_if $none (i32.gt_u (local.get $at) (local.get $end)))
        ;; "aut, which little else begins with
        (if (i32.eq (i32.load (local.get $at)) (i32.load (i32.const 0)))
          (then (if (call $matches (local.get $at))
            (then (return (call $meta_write (i32.const 64) (i32.const 47)))))))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $next)))
    (call $meta_write (i32.const 128) (i32.const 22))))

;; A filter that does what its configuration says: the second byte of it, which is a JSON string.
(module
  (import "postern" "config_read" (func $config_read (param i32 i32) (result i32)))
  (import "postern" "meta_write" (func $meta_write (param i32 i32) (result i32)))
  (import "postern" "body_read" (func $body_read (param i32 i32) (result i32)))
  (import "postern" "body_write" (func $body_write (param i32 i32) (result i32)))
  (import "postern" "body_flush" (func $body_flush (result i32)))
  (memory (export "memory") 2)
  (global $marked (mut i32) (i32.const 0)) ;; what the first half leaves for the second
  (data (i32.const 16) "{\"setHeaders\":[[\"x-filter\",\"1\"]]}")
  (data (i32.const 64) "{\"body\":true}")
  (data (i32.const 96) "{\"response\":{\"statusCode\":403}}")
  (data (i32.const 144) "no\n")
  (data (i32.const 160) "{\"statusCode\":200}")
  (func (export "postern_abi_1"))

  (func $does (param $c i32) (result i32)
    (drop (call $config_read (i32.const 0) (i32.const 8)))
    (i32.eq (i32.load8_u (i32.const 1)) (local.get $c)))
  (func $copy (result i32)
    (local $n i32)
    (block $end
      (loop $more
        (local.set $n (call $body_read (i32.const 1024) (i32.const 65536)))
        (br_if $end (i32.le_s (local.get $n) (i32.const 0)))
        (local.set $n (call $body_write (i32.const 1024) (local.get $n)))
        (br_if $more (i32.eqz (local.get $n)))))
    (local.get $n))
  ;; $gather reads all that fits, and returns how much.
  (func $gather (result i32)
    (local $n i32) (local $all i32)
    (block $end
      (loop $more
        (local.set $n (call $body_read (i32.add (i32.const 1024) (local.get $all)) (i32.const 1000)))
        (br_if $end (i32.le_s (local.get $n) (i32.const 0)))
        (local.set $all (i32.add (local.get $all) (local.get $n)))
        (br $more)))
    (local.get $all))

  (func $act (result i32)
    (local $n i32)
    (if (call $does (i32.const 104)) (then (return (call $meta_write (i32.const 16) (i32.const 33))))) ;; h eaders
    (if (call $does (i32.const 99)) (then                                                     ;; c opy, a piece at a time
      (drop (call $meta_write (i32.const 64) (i32.const 13)))
      (return (call $copy))))
    (if (call $does (i32.const 119)) (then                                                    ;; w hole: reads all, and then answers
      (local.set $n (call $gather))
      (drop (call $meta_write (i32.const 64) (i32.const 13)))
      (return (call $body_write (i32.const 1024) (local.get $n)))))
    (if (call $does (i32.const 101)) (then                                                    ;; e mpty body
      (return (call $meta_write (i32.const 64) (i32.const 13)))))
    (if (call $does (i32.const 117)) (then                                                    ;; u ndeclared body
      (if (i32.ne (call $body_write (i32.const 144) (i32.const 3)) (i32.const -4)) (then unreachable))
      (drop (call $body_flush))
      (return (call $meta_write (i32.const 16) (i32.const 33)))))
    (if (call $does (i32.const 114)) (then (drop (call $body_read (i32.const 1024) (i32.const 4))))) ;; r eads, and gives nothing
    (if (call $does (i32.const 106)) (then (return (call $meta_write (i32.const 64) (i32.const 5))))) ;; j son, malformed
    (if (call $does (i32.const 108)) (then                                                    ;; l oops behind its answer
      (drop (call $meta_write (i32.const 64) (i32.const 13)))
      (drop (call $body_flush))
      (loop $l (br $l))))
    (if (call $does (i32.const 115)) (then                                                    ;; s pins on reads and writes of nothing
      (drop (call $meta_write (i32.const 64) (i32.const 13)))
      (drop (call $body_flush))
      (loop $l
        (drop (call $body_read (i32.const 1024) (i32.const 4)))
        (drop (call $body_write (i32.const 144) (i32.const 0)))
        (br $l))))
    (i32.const 0))

  (func (export "filter_request") (result i32)
    (global.set $marked (i32.add (global.get $marked) (i32.const 1)))
    (if (call $does (i32.const 116)) (then unreachable))                                      ;; t rap
    (if (call $does (i32.const 120)) (then (return (i32.const 1))))                           ;; x: an error of its own
    (if (call $does (i32.const 97)) (then                                                     ;; a nswers early
      (drop (call $meta_write (i32.const 96) (i32.const 31)))
      (return (call $body_write (i32.const 144) (i32.const 3)))))
    (call $act))
  ;; The response's status is 200 and the number of first halves that the instance has seen, where the configuration says m(ark), t or x.
  (func (export "filter_response") (result i32)
    (if (i32.or (call $does (i32.const 109)) (i32.or (call $does (i32.const 116)) (call $does (i32.const 120)))) (then
      (i32.store8 (i32.const 176) (i32.add (i32.const 48) (global.get $marked)))
      (return (call $meta_write (i32.const 160) (i32.const 18)))))
    (call $act)))

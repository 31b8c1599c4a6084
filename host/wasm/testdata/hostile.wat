;; A guest that misbehaves as it is told: the second byte of its event, which is a JSON string, says how.
(module
  (import "postern" "meta_read" (func $meta_read (param i32 i32) (result i32)))
  (import "postern" "meta_write" (func $meta_write (param i32 i32) (result i32)))
  (import "postern" "body_write" (func $body_write (param i32 i32) (result i32)))
  (import "postern" "body_flush" (func $body_flush (result i32)))
  (import "postern" "body_read" (func $body_read (param i32 i32) (result i32)))
  (import "postern" "log" (func $log (param i32 i32 i32) (result i32)))
  (import "postern" "error" (func $error (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "postern" "random" (func $random (param i32 i32) (result i32)))
  (import "postern" "span_start" (func $span_start (param i32 i32) (result i32)))
  (import "postern" "fetch" (func $fetch (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $wasi_random (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (table $t 1 funcref)
  (data (i32.const 16) "{\"ok\":true}")
  (data (i32.const 32) "not json")
  (data (i32.const 48) "ValueErrorthe value is wrongat frame one")
  (data (i32.const 96) "going down\n")
  ;; An iovec: 11 bytes at 96.
  (data (i32.const 112) "\60\00\00\00\0b\00\00\00")
  ;; A subscription (48 bytes at 128) to the monotonic clock, in an hour: 3600e9 ns.
  (data (i32.const 144) "\01\00\00\00\00\00\00\00\00\a0\b8\30\46\03\00\00")
  (func (export "postern_abi_1"))

  (func $ok (result i32) (call $meta_write (i32.const 16) (i32.const 11)))
  (func $loop (loop $l (br $l)))
  (func $recurse (param i64) (result i64)
    (i64.add (call $recurse (i64.add (local.get 0) (i64.const 1))) (local.get 0)))
  (func $flood (local $i i32)
    (loop $l
      (drop (call $log (i32.const 0) (i32.const 96) (i32.const 10)))
      (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 5000)))))
  (func $pour (param $n i32) (result i32) (local $r i32)
    (loop $l
      (local.set $r (call $body_write (i32.const 1024) (i32.const 65536)))
      (if (i32.lt_s (local.get $r) (i32.const 0)) (then (return (i32.const 0))))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (i32.const 0))
  (func $spans (result i32) (local $r i32)
    (loop $l (br_if $l (i32.gt_s (local.tee $r (call $span_start (i32.const 96) (i32.const 5))) (i32.const 0))))
    (local.get $r))
  ;; number writes a small number below zero as meta: -1 as "-1".
  (func $number (param $n i32) (result i32)
    (i32.store8 (i32.const 200) (i32.const 45))
    (i32.store8 (i32.const 201) (i32.sub (i32.const 48) (local.get $n)))
    (call $meta_write (i32.const 200) (i32.const 2)))
  (func $is (param $c i32) (param $want i32) (result i32) (i32.eq (local.get $c) (local.get $want)))

  (func $act (result i32) (local $c i32)
    (drop (call $meta_read (i32.const 0) (i32.const 8)))
    (local.set $c (i32.load8_u (i32.const 1)))
    (if (call $is (local.get $c) (i32.const 116)) (then unreachable))                        ;; t rap
    (if (call $is (local.get $c) (i32.const 108)) (then (call $loop)))                       ;; l oop
    (if (call $is (local.get $c) (i32.const 114)) (then (drop (call $recurse (i64.const 0))))) ;; r ecursion
    (if (call $is (local.get $c) (i32.const 109)) (then                                      ;; m emory, to the limit
      (loop $l (br_if $l (i32.ge_s (memory.grow (i32.const 16)) (i32.const 0))))
      (return (call $number (memory.grow (i32.const 16))))))
    (if (call $is (local.get $c) (i32.const 77)) (then                                       ;; M emory, and dies of it
      (loop $l (br_if $l (i32.ge_s (memory.grow (i32.const 16)) (i32.const 0))))
      unreachable))
    (if (call $is (local.get $c) (i32.const 103)) (then                                      ;; g rowing table
      (loop $l (br_if $l (i32.ge_s (table.grow $t (ref.null func) (i32.const 60000)) (i32.const 0))))
      (return (call $number (table.grow $t (ref.null func) (i32.const 60000))))))
    (if (call $is (local.get $c) (i32.const 106)) (then (return (call $meta_write (i32.const 32) (i32.const 8))))) ;; j son, malformed
    (if (call $is (local.get $c) (i32.const 110)) (then (drop (call $meta_write (i32.const 0) (i32.const -5))))) ;; n egative length
    (if (call $is (local.get $c) (i32.const 112)) (then (drop (call $meta_write (i32.const -16) (i32.const 32))))) ;; p ointer outside
    (if (call $is (local.get $c) (i32.const 80)) (then (drop (call $body_read (i32.const 131000) (i32.const 1000))))) ;; P ointer to write to
    (if (call $is (local.get $c) (i32.const 120)) (then                                      ;; e x it
      (drop (call $fd_write (i32.const 2) (i32.const 112) (i32.const 1) (i32.const 120)))
      (call $exit (i32.const 3))))
    (if (call $is (local.get $c) (i32.const 102)) (then (call $flood)))                      ;; f lood the log
    (if (call $is (local.get $c) (i32.const 101)) (then                                      ;; e rror, reported
      (drop (call $error (i32.const 48) (i32.const 10) (i32.const 58) (i32.const 18) (i32.const 76) (i32.const 12)))
      (return (i32.const 1))))
    (if (call $is (local.get $c) (i32.const 69)) (then (return (i32.const 7))))              ;; E rror, without a word
    (if (call $is (local.get $c) (i32.const 48)) (then (return (i32.const 0))))              ;; 0: writes nothing
    (if (call $is (local.get $c) (i32.const 98)) (then (drop (call $pour (i32.const 200))))) ;; b ody over the limit
    (if (call $is (local.get $c) (i32.const 66)) (then                                       ;; B ody without end
      (drop (call $meta_write (i32.const 16) (i32.const 11)))
      (return (call $pour (i32.const -1)))))
    (if (call $is (local.get $c) (i32.const 84)) (then                                       ;; T rap in mid-stream
      (drop (call $meta_write (i32.const 16) (i32.const 11)))
      (drop (call $body_write (i32.const 96) (i32.const 10)))
      (drop (call $body_flush))
      unreachable))
    (if (call $is (local.get $c) (i32.const 79)) (then                                       ;; O rder: meta after body
      (drop (call $meta_write (i32.const 16) (i32.const 11)))
      (drop (call $body_write (i32.const 96) (i32.const 10)))
      (if (i32.ne (call $meta_write (i32.const 16) (i32.const 11)) (i32.const -4)) (then unreachable))
      (return (i32.const 0))))
    (if (call $is (local.get $c) (i32.const 115)) (then (return (call $number (call $spans))))) ;; s pans without end
    (if (call $is (local.get $c) (i32.const 122)) (then                                      ;; z: too much randomness
      (if (i32.eqz (call $wasi_random (i32.const 0) (i32.const 65537))) (then unreachable))
      (return (call $number (call $random (i32.const 0) (i32.const 65537))))))
    (if (call $is (local.get $c) (i32.const 82)) (then (drop (call $random (i32.const 1024) (i32.const 16))))) ;; R andomness
    (if (call $is (local.get $c) (i32.const 104)) (then                                      ;; h ibernate for an hour
      (drop (call $poll (i32.const 128) (i32.const 256) (i32.const 1) (i32.const 512)))))
    (if (call $is (local.get $c) (i32.const 70)) (then                                       ;; F etch with a meta that is no request
      (return (call $number (call $fetch (i32.const 16) (i32.const 11) (i32.const 0) (i32.const 0))))))
    (call $ok))

  (func (export "authorize") (result i32) (call $act))
  (func (export "map_request") (result i32) (call $act))
  (func (export "handle") (result i32) (call $act)))

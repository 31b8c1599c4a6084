;; A filter that does what its environment says. REQUEST and RESPONSE are the meta that its halves answer with; DO_REQUEST and DO_RESPONSE
;; say what they do besides, by their first letter:
;;   u  makes a new body: the old one in upper case, a piece at a time
;;   r  reads some of the body
;;   m  writes, as the body, the meta that the first half got, a line's end, and the meta that this half gets
;;   t  traps
;;   l  runs for ever
(module
  (import "postern" "meta_read" (func $meta_read (param i32 i32) (result i32)))
  (import "postern" "meta_write" (func $meta_write (param i32 i32) (result i32)))
  (import "postern" "env_read" (func $env_read (param i32 i32 i32 i32) (result i32)))
  (import "postern" "body_read" (func $body_read (param i32 i32) (result i32)))
  (import "postern" "body_write" (func $body_write (param i32 i32) (result i32)))
  (import "postern" "body_flush" (func $body_flush (result i32)))
  (memory (export "memory") 4)
  (data (i32.const 0) "REQUEST")
  (data (i32.const 16) "RESPONSE")
  (data (i32.const 32) "DO_REQUEST")
  (data (i32.const 48) "DO_RESPONSE")
  (data (i32.const 64) "\n")
  (global $first (mut i32) (i32.const 0)) ;; length of the first half's meta, which stands at 65536
  (func (export "postern_abi_1"))

  (func $upper (result i32)
    (local $n i32) (local $i i32) (local $c i32)
    (block $end
      (loop $more
        (local.set $n (call $body_read (i32.const 1024) (i32.const 16384)))
        (if (i32.lt_s (local.get $n) (i32.const 0)) (then (return (local.get $n))))
        (br_if $end (i32.eqz (local.get $n)))
        (local.set $i (i32.const 0))
        (loop $letters
          (local.set $c (i32.load8_u offset=1024 (local.get $i)))
          (if (i32.and (i32.ge_u (local.get $c) (i32.const 97)) (i32.le_u (local.get $c) (i32.const 122)))
            (then (i32.store8 offset=1024 (local.get $i) (i32.sub (local.get $c) (i32.const 32)))))
          (local.set $i (i32.add (local.get $i) (i32.const 1)))
          (br_if $letters (i32.lt_u (local.get $i) (local.get $n))))
        (local.set $n (call $body_write (i32.const 1024) (local.get $n)))
        (if (i32.lt_s (local.get $n) (i32.const 0)) (then (return (local.get $n))))
        (drop (call $body_flush))
        (br $more)))
    (i32.const 0))

  (func $metas (result i32)
    (local $n i32)
    (drop (call $body_write (i32.const 65536) (global.get $first)))
    (drop (call $body_write (i32.const 64) (i32.const 1)))
    (local.set $n (call $meta_read (i32.const 131072) (i32.const 65536)))
    (drop (call $body_write (i32.const 131072) (local.get $n)))
    (i32.const 0))

  ;; answer writes the meta of the variable at $name, and does what the one at $do says.
  (func $answer (param $name i32) (param $name_len i32) (param $do i32) (param $do_len i32) (result i32)
    (local $n i32)
    (local.set $n (call $env_read (local.get $name) (local.get $name_len) (i32.const 1024) (i32.const 32768)))
    (if (i32.gt_s (local.get $n) (i32.const 0)) (then (drop (call $meta_write (i32.const 1024) (local.get $n)))))
    (local.set $n (call $env_read (local.get $do) (local.get $do_len) (i32.const 128) (i32.const 64)))
    (if (i32.le_s (local.get $n) (i32.const 0)) (then (return (i32.const 0))))
    (local.set $n (i32.load8_u (i32.const 128)))
    (if (i32.eq (local.get $n) (i32.const 117)) (then (return (call $upper))))
    (if (i32.eq (local.get $n) (i32.const 114)) (then (drop (call $body_read (i32.const 1024) (i32.const 1)))))
    (if (i32.eq (local.get $n) (i32.const 109)) (then (return (call $metas))))
    (if (i32.eq (local.get $n) (i32.const 116)) (then (unreachable)))
    (if (i32.eq (local.get $n) (i32.const 108)) (then (loop $ever (br $ever))))
    (i32.const 0))

  (func (export "filter_request") (result i32)
    (global.set $first (call $meta_read (i32.const 65536) (i32.const 65536)))
    (call $answer (i32.const 0) (i32.const 7) (i32.const 32) (i32.const 10)))

  (func (export "filter_response") (result i32)
    (call $answer (i32.const 16) (i32.const 8) (i32.const 48) (i32.const 11))))

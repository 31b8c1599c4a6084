// zod: parsing, errors, transformations, JSON Schema.
import { z } from 'zod';
import * as mini from 'zod/mini';

const issues = (r) => (r.success ? r.data : r.error.issues.map((i) => [i.code, i.path.join('.'), i.message]));

export default {
  'objects': (print) => {
    const User = z.object({ name: z.string().min(2), age: z.number().int().positive(), tags: z.array(z.string()).default([]), email: z.email().optional() });
    print(issues(User.safeParse({ name: 'Ann', age: 3 })));
    print(issues(User.safeParse({ name: 'A', age: -1.5, tags: [1], email: 'x' })));
    print(issues(User.strict().safeParse({ name: 'Ann', age: 3, more: 1 })));
    print(issues(User.partial().safeParse({})), issues(User.pick({ name: true }).safeParse({ name: 'Bo' })));
  },
  'unions and enums': (print) => {
    const Shape = z.discriminatedUnion('kind', [z.object({ kind: z.literal('circle'), r: z.number() }), z.object({ kind: z.literal('square'), side: z.number() })]);
    print(issues(Shape.safeParse({ kind: 'circle', r: 1 })), issues(Shape.safeParse({ kind: 'x' })));
    print(issues(z.union([z.string(), z.number()]).safeParse(true)));
    print(issues(z.enum(['a', 'b']).safeParse('c')), z.enum(['a', 'b']).options);
    print(issues(z.tuple([z.string(), z.number()]).safeParse(['a', 'b'])), issues(z.record(z.string(), z.number()).safeParse({ a: 1, b: 'x' })));
  },
  'text formats': (print) => {
    const formats = { email: z.email(), uuid: z.uuid(), url: z.url(), ipv4: z.ipv4(), ipv6: z.ipv6(), datetime: z.iso.datetime(), date: z.iso.date(), base64: z.base64(), jwt: z.jwt(), cuid: z.cuid2(), cidr: z.cidrv4() };
    const values = ['a@b.co', '123e4567-e89b-12d3-a456-426614174000', 'https://a.b/c', '1.2.3.4', '::1', '2020-01-01T00:00:00Z', '2020-01-01', 'aGk=', 'eyJhbGciOiJIUzI1NiJ9.e30.x', 'tz4a98xxat96iws9zmbrgj3a', '10.0.0.0/8', ''];
    for (const name of Object.keys(formats)) print(name, values.map((v) => (formats[name].safeParse(v).success ? 1 : 0)));
  },
  'transformations': async (print) => {
    print(z.string().trim().toLowerCase().transform((s) => s.length).parse('  ABC '));
    print(z.coerce.number().parse('42'), z.coerce.boolean().parse(''), z.coerce.date().parse('2020-01-01'));
    print(z.preprocess((v) => String(v), z.string()).parse(5), z.string().pipe(z.coerce.number()).parse('7'));
    print(issues(await z.string().refine(async (s) => s === 'yes', 'must be yes').safeParseAsync('no')));
    print(issues(z.object({ a: z.string(), b: z.string() }).refine((o) => o.a === o.b, { message: 'differ', path: ['b'] }).safeParse({ a: '1', b: '2' })));
  },
  'errors': (print) => {
    const r = z.object({ a: z.object({ b: z.number() }), c: z.string() }).safeParse({ a: { b: 'x' } });
    print(z.treeifyError(r.error));
    print(z.flattenError(r.error));
    print(z.prettifyError(r.error));
    try {
      z.number().parse('x');
    } catch (e) {
      print(e instanceof z.ZodError, e.name, e.message);
    }
  },
  'recursion, JSON Schema and mini': (print) => {
    const Tree = z.object({ v: z.number(), get children() { return z.array(Tree); } });
    print(issues(Tree.safeParse({ v: 1, children: [{ v: 2, children: [] }] })), issues(Tree.safeParse({ v: 1, children: [{ v: 'x', children: [] }] })));
    print(z.toJSONSchema(z.object({ a: z.string().min(1).max(5), b: z.number().optional(), c: z.enum(['x', 'y']) })));
    print(mini.safeParse(mini.object({ a: mini.string().check(mini.minLength(2)) }), { a: 'x' }).error.issues.map((i) => i.code));
  },
};

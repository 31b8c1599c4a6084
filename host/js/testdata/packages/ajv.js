// ajv: compiling and validating JSON Schema, draft-07, 2019-09 and 2020-12.
import Ajv from 'ajv';
import Ajv2019 from 'ajv/dist/2019.js';
import Ajv2020 from 'ajv/dist/2020.js';

const schema = {
  type: 'object',
  properties: { name: { type: 'string', minLength: 2, pattern: '^[A-Z]' }, age: { type: 'integer', minimum: 0 }, tags: { type: 'array', items: { enum: ['a', 'b'] }, uniqueItems: true } },
  required: ['name'],
  additionalProperties: false,
};
const errors = (v) => (v.errors || []).map((e) => [e.instancePath, e.keyword, e.message]);

export default {
  'validate': (print) => {
    const validate = new (Ajv.default ?? Ajv)({ allErrors: true }).compile(schema);
    for (const v of [{ name: 'Ann', age: 3, tags: ['a'] }, { name: 'a', age: -1, tags: ['a', 'a', 'c'], more: 1 }, {}, 5]) print(validate(v), errors(validate));
  },
  'references and conditions': (print) => {
    const ajv = new (Ajv.default ?? Ajv)();
    ajv.addSchema({ $id: 'http://x/node', type: 'object', properties: { next: { $ref: 'node' }, v: { $ref: '#/definitions/v' } }, definitions: { v: { oneOf: [{ type: 'string' }, { type: 'number', multipleOf: 2 }] } } });
    const validate = ajv.getSchema('http://x/node');
    for (const v of [{ next: { next: { v: 2 } } }, { next: { v: 3 } }]) print(validate(v), errors(validate));
    const either = ajv.compile({ if: { properties: { a: { const: 1 } } }, then: { required: ['b'] }, else: { required: ['c'] } });
    print(either({ a: 1 }), either({ a: 1, b: 1 }), either({ a: 2, c: 1 }));
  },
  'defaults, coercion, formats and keywords': (print) => {
    const ajv = new (Ajv.default ?? Ajv)({ useDefaults: true, coerceTypes: true, removeAdditional: 'all' });
    ajv.addFormat('even', { type: 'number', validate: (n) => n % 2 === 0 });
    ajv.addKeyword({ keyword: 'range', type: 'number', compile: ([lo, hi]) => (n) => n >= lo && n <= hi });
    const validate = ajv.compile({ type: 'object', properties: { a: { type: 'number', default: 4, format: 'even', range: [0, 9] }, b: { type: 'boolean' } } });
    for (const v of [{}, { a: '6', b: 'true', c: 1 }, { a: 11 }]) print(validate(v), v, errors(validate));
  },
  'later drafts': (print) => {
    const a = new (Ajv2019.default ?? Ajv2019)().compile({ type: 'object', unevaluatedProperties: false, allOf: [{ properties: { a: true } }], dependentRequired: { a: ['b'] }, properties: { b: true } });
    print(a({ a: 1, b: 2 }), a({ a: 1 }), a({ c: 1 }));
    const b = new (Ajv2020.default ?? Ajv2020)().compile({ type: 'array', prefixItems: [{ type: 'string' }], items: { type: 'number' } });
    print(b(['x', 1, 2]), b(['x', 'y']), b([1]));
  },
  'bad schemas': (print) => {
    for (const s of [{ type: 'nothing' }, { $ref: '#/none' }, { unknown: 1 }]) {
      try {
        new (Ajv.default ?? Ajv)().compile(s);
        print('compiled');
      } catch (e) {
        print(e.message);
      }
    }
  },
};

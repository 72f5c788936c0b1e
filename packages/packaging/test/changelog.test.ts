import { expect, it } from 'vitest';

import { addVersion } from '../src/changelog.ts';

const CHANGELOG = '# Changelog\n\nIntroduction.\n\n## 0.1.0\n\n- The first release.\n';

const sync = `# @pennon/sync

## 0.2.0

### Minor Changes

- 1234abc: Adds polling.
  It also works offline.

### Patch Changes

- Updated dependencies [1234abc]
  - @pennon/engine@0.2.0

## 0.1.0

### Minor Changes

- Older.
`;
const engine =
  '# @pennon/engine\n\n## 0.2.0\n\n### Minor Changes\n\n- 1234abc: Adds polling.\n  It also works offline.\n- Adds an operator.\n';

it('a new version is added on top with the entries of all packages, each once', () => {
  expect(addVersion(CHANGELOG, '0.2.0', [sync, engine, ''])).toBe(
    '# Changelog\n\nIntroduction.\n\n## 0.2.0\n\n- Adds polling.\n  It also works offline.\n' +
      '- Adds an operator.\n\n## 0.1.0\n\n- The first release.\n',
  );
});

it('a version that the changelog already has is not added again', () => {
  expect(addVersion(CHANGELOG, '0.1.0', [sync])).toBe(CHANGELOG);
});

import type { Page } from 'playwright-core';

/** A dialog or menu of a screen. */
export type Overlay = { readonly name: string; readonly open: (page: Page) => Promise<void> };

export type Screen = {
  readonly name: string;
  /** The path of its route, as the router has it. */
  readonly route: string;
  /** Its address. */
  readonly path: string;
  /** What only this screen has, once it has loaded. */
  readonly ready: string;
  /** What it needs beyond its address to show everything. */
  readonly prepare?: (page: Page) => Promise<void>;
  readonly overlays?: readonly Overlay[];
};

/** The keys of what the screens show. */
export const SHOWN = {
  flag: 'flag-01',
  segment: 'staff',
  experiment: 'checkout-2',
  running: 'checkout-3',
  ramp: 'staff-release',
  environment: 'production',
} as const;

const click = (page: Page, name: string | RegExp): Promise<void> =>
  page
    .getByRole('button', { name, exact: typeof name === 'string' })
    .first()
    .click();

const button = (name: string | RegExp): Overlay => ({
  name: String(name),
  open: page => click(page, name),
});

const keys = (name: string, key: string): Overlay => ({
  name,
  open: page => page.keyboard.press(key),
});

/** A choice of the menu of one of the actions for several flags. */
const bulkMenu = (name: string): Overlay => ({
  name: `${name} …`,
  async open(page) {
    await click(page, name);
    await page.getByRole('menuitem').first().click();
    // The menu is there until it has been closed.
    await page.getByRole('dialog').waitFor();
  },
});

const chooseTwo = async (page: Page): Promise<void> => {
  const boxes = page.locator('.grid-body .choice input');
  // Narrow windows have cards instead.
  if ((await boxes.count()) === 0) return;
  await boxes.nth(0).check();
  await boxes.nth(1).check();
};

const openAll = (selector: string) => async (page: Page) => {
  for (const each of await page.locator(selector).all()) await each.click();
};

const newKey: Overlay = {
  name: 'the secret of a new key',
  async open(page) {
    await click(page, 'New key');
    await page.getByRole('dialog').getByLabel('Name', { exact: true }).fill('script');
    await page.locator('[role=dialog] [type=submit]').click();
    await page.locator('.secret').waitFor();
  },
};

const newExperiment: Overlay = {
  name: 'New experiment, with its calculator',
  async open(page) {
    await click(page, 'New experiment');
    await page.locator('.calculator summary').click();
  },
};

const FLAG_TABS: readonly Omit<Screen, 'route' | 'path'>[] = [
  {
    name: 'rules',
    ready: '.rule-toggle',
    prepare: openAll('.rule-toggle'),
    overlays: [
      button(/^Actions of rule 1|^Rule 1/),
      button('Add condition'),
      button('Release gradually'),
    ],
  },
  { name: 'variants', ready: '.variant' },
  { name: 'json', ready: '.json-tab' },
  { name: 'try', ready: '.step', prepare: openAll('summary'), overlays: [button(/^Delete /)] },
  { name: 'usage', ready: '.usage [role=status]' },
  { name: 'history', ready: '.version', overlays: [button(/^Revert to/)] },
  { name: 'code', ready: '.flag-tabs [href*="tab=code"][aria-current]' },
  { name: 'settings', ready: '.settings-fields', overlays: [button('Delete the flag')] },
];

const settingsScreen = (name: string, ...overlays: readonly Overlay[]): Screen => ({
  name: `settings ${name}`,
  route: `/settings/${name}`,
  path: `/settings/${name}`,
  ready: `.wide-page:has([aria-current=page][href$=${name}]) .item`,
  overlays,
});

/** All screens of a person who has signed in, with their dialogs and menus. */
export const SCREENS: readonly Screen[] = [
  {
    name: 'flags',
    route: '/flags',
    path: '/flags',
    ready: '.flag-key',
    prepare: chooseTwo,
    overlays: [
      button('New flag'),
      button('Views'),
      button(/@example\.com$/),
      keys('palette', 'Control+K'),
      keys('shortcuts', '?'),
      bulkMenu('Enable in'),
      bulkMenu('Copy to'),
      button('Tag…'),
      button('Delete…'),
    ],
  },
  { name: 'no flags', route: '/flags', path: '/flags?q=nothing-like-this', ready: '.empty' },
  ...FLAG_TABS.map(tab => ({
    ...tab,
    name: `flag ${tab.name}`,
    route: '/flags/$key',
    path: `/flags/${SHOWN.flag}?env=${SHOWN.environment}&tab=${tab.name}`,
  })),
  {
    name: 'flag review',
    route: '/flags/$key',
    path: `/flags/${SHOWN.flag}?env=${SHOWN.environment}`,
    ready: '.rule-toggle',
    async prepare(page) {
      const enabled = page.locator('.flag-bar [role=switch]');
      if ((await page.locator('.draft-bar').count()) === 0) await enabled.click();
      await page.locator('.draft-bar').waitFor();
    },
    overlays: [button('Review')],
  },
  {
    name: 'absent flag',
    route: '/flags/$key',
    path: '/flags/absent',
    ready: '.flag-page .tab-body > .button',
  },
  {
    name: 'segments',
    route: '/segments',
    path: `/segments?env=${SHOWN.environment}`,
    ready: '.item',
    overlays: [button('New segment')],
  },
  {
    name: 'segment',
    route: '/segments/$key',
    path: `/segments/${SHOWN.segment}?env=${SHOWN.environment}`,
    ready: '.condition',
    overlays: [button('Delete')],
  },
  {
    name: 'experiments',
    route: '/experiments',
    path: `/experiments?env=${SHOWN.environment}`,
    ready: '.wide-page:has([aria-current=page][href*="/experiments"]) .item',
    overlays: [newExperiment],
  },
  {
    name: 'ramps',
    route: '/experiments/ramps',
    path: `/experiments/ramps?env=${SHOWN.environment}`,
    ready: '.wide-page:has([aria-current=page][href*="experiments/ramps"]) .item',
    overlays: [button('New ramp')],
  },
  {
    name: 'ramp',
    route: '/experiments/ramps/$key',
    path: `/experiments/ramps/${SHOWN.ramp}?env=${SHOWN.environment}`,
    ready: '.step-line',
    overlays: [button('Start'), button('Edit'), button('Delete')],
  },
  {
    name: 'metrics',
    route: '/experiments/metrics',
    path: `/experiments/metrics?env=${SHOWN.environment}`,
    ready: '.wide-page:has([aria-current=page][href*="experiments/metrics"]) .item',
    overlays: [button('New metric'), button(/^Edit /), button(/^Delete /)],
  },
  {
    name: 'experiment',
    route: '/experiments/key/$key',
    path: `/experiments/key/${SHOWN.experiment}?env=${SHOWN.environment}`,
    ready: '.facts',
    overlays: [button('Start')],
  },
  {
    name: 'running experiment',
    route: '/experiments/key/$key',
    path: `/experiments/key/${SHOWN.running}?env=${SHOWN.environment}`,
    ready: '.verdict',
    prepare: async page => page.locator('.unit-form').waitFor(),
    overlays: [button('Decide'), button('Stop')],
  },
  {
    name: 'compare',
    route: '/compare',
    path: '/compare?from=development&to=production',
    ready: '.item input',
    prepare: async page => page.locator('.item input:enabled').first().check(),
    overlays: [button(/^Promote/)],
  },
  {
    name: 'try',
    route: '/try',
    path: `/try?env=${SHOWN.environment}`,
    ready: '.all-results',
  },
  {
    name: 'audit',
    route: '/audit',
    path: '/audit',
    ready: 'summary',
    prepare: async page => page.locator('summary').first().click(),
  },
  settingsScreen('environments', button('New environment'), button(/^Edit /), button(/^Delete /)),
  settingsScreen('keys', button('New key'), button(/^Revoke /), newKey),
  settingsScreen('people', button(/^Edit /), button(/^Reset /), button(/^Delete /)),
  settingsScreen('groups', button('New group'), button(/^Edit /), button(/^Delete /)),
  settingsScreen('invitations', button('Invite'), button(/^Withdraw /)),
  settingsScreen('servers'),
  settingsScreen('account', button('Change password'), button('New token')),
  { name: 'unknown page', route: '/$', path: '/unknown', ready: '.page h1' },
];

import { useVirtualizer } from '@tanstack/react-virtual';
import { useRef, type ReactNode } from 'react';

type VirtualListProps<Item> = {
  readonly items: readonly Item[];
  readonly keyOf: (item: Item) => string;
  /** What is inside of an item. */
  readonly children: (item: Item) => ReactNode;
};

/** The height of an item of two lines. Each is measured once it exists. */
const ITEM_PX = 66;
/** Items that are rendered beyond the visible ones. The Tab key reaches them. */
const OVERSCAN = 3;

/** A list with a height of its own, of which only the visible items exist. */
export const VirtualList = <Item,>({ items, keyOf, children }: VirtualListProps<Item>) => {
  const scroller = useRef<HTMLDivElement>(null);
  const keyAt = (index: number): string | number => {
    const item = items[index];
    return item === undefined ? index : keyOf(item);
  };
  const virtualizer = useVirtualizer({
    count: items.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ITEM_PX,
    overscan: OVERSCAN,
    getItemKey: keyAt,
  });
  return (
    <div className="items-scroller" ref={scroller} tabIndex={-1}>
      <ul className="items" style={{ height: virtualizer.getTotalSize() }}>
        {virtualizer.getVirtualItems().map(({ index, start }) => {
          const item = items[index];
          return (
            item !== undefined && (
              <li
                key={keyAt(index)}
                className="item"
                style={{ top: start }}
                data-index={index}
                ref={virtualizer.measureElement}
                aria-setsize={items.length}
                aria-posinset={index + 1}
              >
                {children(item)}
              </li>
            )
          );
        })}
      </ul>
    </div>
  );
};

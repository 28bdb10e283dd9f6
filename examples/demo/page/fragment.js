// What Odoo does with an implicit answer: the fragment, which no server sees, becomes the query.
const { hash, pathname, search } = window.location
if (hash.length > 1 && search === '') window.location.replace(`${pathname}?${hash.slice(1)}`)

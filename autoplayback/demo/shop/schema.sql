create table products (id integer primary key, name text not null, price real not null);
create table orders (id text primary key, at text not null, customer text not null,
    product integer not null, quantity integer not null);
insert into products values (1, 'kettle', 24.9), (2, 'teapot', 31.5), (3, 'cup', 4.25), (4, 'saucer', 3.1), (5, 'strainer', 7.0);
